"""Test ganctl_models: models that differ from dcgan or gan mainly in the loss."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ganctl import Model
from ganctl.plugin import discovery


def model(name: str) -> Model:
    found: Model = discovery.registry().get("model", name).load()
    return found


@pytest.mark.parametrize(
    ("name", "base", "loss"),
    [
        ("lsgan", "dcgan", "lsgan"),
        ("hinge-gan", "dcgan", "hinge"),
        ("rgan", "dcgan", "relativistic"),
        ("ragan", "dcgan", "relativistic-average"),
        ("softmax-gan", "gan", "softmax"),
        ("bgan", "gan", "bgan"),
        ("dragan", "dcgan", "dragan"),
    ],
)
def test_model_differs_from_its_base_only_in_the_loss(name: str, base: str, loss: str) -> None:
    ours, other = model(name), model(base)
    assert ours.loss.name == loss
    assert not ours.loss.options
    discriminator = ours.discriminator
    if name == "dragan":  # its gradient penalty needs D without batch normalization
        assert dict(discriminator.options) == {"norm": "none"}
        discriminator = other.discriminator
    metadata = {"name": other.name, "summary": other.summary, "paper": other.paper, "loss": other.loss}
    assert replace(ours, discriminator=discriminator, **metadata) == other


@pytest.mark.parametrize(
    ("name", "loss", "discriminator"),
    [
        ("began", {"gamma": 0.75}, {}),
        ("ebgan", {"margin": 1.0, "pull_away": 0.1}, {"with_code": True}),
    ],
)
def test_autoencoder_models_use_settings_of_pytorch_gan(name: str, loss: dict, discriminator: dict) -> None:
    recipe = model(name)
    assert (recipe.loss.name, dict(recipe.loss.options)) == (name, loss)
    assert (recipe.discriminator.name, dict(recipe.discriminator.options)) == ("autoencoder", discriminator)
    assert (recipe.latent.options["z_dim"], recipe.batch_size, recipe.image_size) == (62, 64, 32)
    assert dict(recipe.g_optimizer.options) == {"lr": 2e-4, "betas": (0.5, 0.999)}
