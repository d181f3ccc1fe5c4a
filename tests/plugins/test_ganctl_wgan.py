"""Test ganctl_wgan: settings of the Wasserstein models."""

from __future__ import annotations

import pytest
from torch import nn

from ganctl import ImageShape, Model
from ganctl.latent import Normal
from ganctl.plugin import discovery, options


def model(name: str) -> Model:
    found: Model = discovery.registry().get("model", name).load()
    return found


@pytest.mark.parametrize("suffix", ["", "-dcgan"])
def test_models_use_published_settings(suffix: str) -> None:
    wgan, gp, div = (model(name + suffix) for name in ("wgan", "wgan-gp", "wgan-div"))
    assert [m.n_critic for m in (wgan, gp, div)] == [5] * 3
    assert [m.batch_size for m in (wgan, gp, div)] == [64] * 3
    assert [m.latent.options["z_dim"] for m in (wgan, gp, div)] == [100] * 3
    assert (wgan.g_optimizer.name, dict(wgan.g_optimizer.options)) == ("rmsprop", {"lr": 5e-5})
    assert dict(wgan.loss.options) == {"clip": 0.01}
    assert (gp.g_optimizer.name, dict(gp.g_optimizer.options)) == ("adam", {"lr": 1e-4, "betas": (0.0, 0.9)})
    assert dict(gp.loss.options) == {"gp_weight": 10.0}
    assert dict(div.g_optimizer.options) == {"lr": 2e-4, "betas": (0.5, 0.999)}
    assert dict(div.loss.options) == {"k": 2.0, "p": 6.0}
    for recipe in (wgan, gp, div):
        assert recipe.d_optimizer == recipe.g_optimizer


@pytest.mark.parametrize(
    "name", ["wgan", "wgan-gp", "wgan-div", "wgan-dcgan", "wgan-gp-dcgan", "wgan-div-dcgan", "wgan-gp-resnet"]
)
def test_only_g_has_batch_normalization(name: str) -> None:
    recipe, registry = model(name), discovery.registry()
    networks = []
    for kind, spec in (("generator", recipe.generator), ("discriminator", recipe.discriminator)):
        factory = registry.get(kind, spec.name).load()
        resolved = options.resolve(kind, spec.name, factory, spec.options)
        networks.append(
            options.call(factory, resolved, image=ImageShape(1, 28, 28), latent=Normal(100), num_classes=0)
        )
    batch_norm = (nn.BatchNorm1d, nn.BatchNorm2d)
    assert [any(isinstance(m, batch_norm) for m in network.modules()) for network in networks] == [
        True,
        False,
    ]


def test_fully_connected_models_use_the_networks_of_gan() -> None:
    for name in ("wgan", "wgan-gp", "wgan-div"):
        assert model(name).generator == model("gan").generator
        assert model(name).discriminator == model("gan").discriminator


def test_resnet_model_uses_published_settings_for_cifar10() -> None:
    recipe = model("wgan-gp-resnet")
    assert dict(recipe.d_optimizer.options) == {"lr": 2e-4, "betas": (0.0, 0.9)}
    assert recipe.d_optimizer == recipe.g_optimizer
    assert (recipe.n_critic, recipe.batch_size, recipe.latent.options["z_dim"]) == (5, 64, 128)
    assert dict(recipe.schedules) == {"lr": "linear 0"}
    assert dict(recipe.loss.options) == {"gp_weight": 10.0}
