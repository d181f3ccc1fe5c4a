"""Test ganctl_gan."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from helpers import networks
from helpers.networks import layer_types, parameters
from torch import nn

from ganctl import GanctlError, ImageShape, Model
from ganctl.errors import USAGE
from ganctl.latent import Normal
from ganctl.plugin import discovery, options

MNIST = ImageShape(1, 28, 28)


def make(kind: str, image: ImageShape, given: dict[str, Any] | None = None, z_dim: int = 100) -> nn.Module:
    return networks.make(kind, "mlp", image, given, latent=Normal(z_dim), num_classes=0)


def test_gan_has_the_published_number_of_parameters() -> None:
    model: Model = discovery.registry().get("model", "gan").load()
    assert parameters(make("generator", MNIST, dict(model.generator.options))) == 1_510_032
    assert parameters(make("discriminator", MNIST, dict(model.discriminator.options))) == 533_505
    assert (model.batch_size, model.loss.name, model.latent.options) == (64, "bce", {"z_dim": 100})
    assert dict(model.g_optimizer.options) == {"lr": 2e-4, "betas": (0.5, 0.999)}


def test_gan_layers_are_in_the_published_order() -> None:
    hidden = ["Linear", "BatchNorm1d", "LeakyReLU"]
    assert layer_types(make("generator", MNIST)) == ["Linear", "LeakyReLU", *hidden * 3, "Linear", "Tanh"]
    assert layer_types(make("discriminator", MNIST)) == ["Flatten", *["Linear", "LeakyReLU"] * 2, "Linear"]


def test_hidden_option_sets_the_layers_of_the_discriminator() -> None:
    D = make("discriminator", MNIST, {"hidden": "512,256,128"})
    assert [(m.in_features, m.out_features) for m in D.modules() if isinstance(m, nn.Linear)] == [
        (784, 512), (512, 256), (256, 128), (128, 1),
    ]  # fmt: skip


def test_gan_basic_networks_have_one_hidden_layer() -> None:
    model: Model = discovery.registry().get("model", "gan-basic").load()
    G = make("generator", MNIST, dict(model.generator.options))
    D = make("discriminator", MNIST, dict(model.discriminator.options))
    assert layer_types(G) == ["Linear", "LeakyReLU", "Linear", "Tanh"]
    assert layer_types(D) == ["Flatten", "Linear", "LeakyReLU", "Linear"]
    assert parameters(G) == 100 * 128 + 128 + 128 * 784 + 784
    assert parameters(D) == 784 * 128 + 128 + 128 + 1
    assert {m.negative_slope for m in (*G.modules(), *D.modules()) if isinstance(m, nn.LeakyReLU)} == {0.2}


@pytest.mark.parametrize(("given", "eps"), [({}, 1e-5), ({"batch_norm_eps": "0.8"}, 0.8)])
def test_eps_option_sets_eps_of_batch_norm(given: dict[str, str], eps: float) -> None:
    norms = [m for m in make("generator", MNIST, given).modules() if isinstance(m, nn.BatchNorm1d)]
    assert [m.eps for m in norms] == [eps] * 3


def test_batch_norm_can_be_disabled() -> None:
    assert "BatchNorm1d" not in layer_types(make("generator", MNIST, {"batch_norm": "false"}))


@pytest.mark.parametrize("image", [(1, 28, 28), (3, 32, 32), (3, 5, 7), (4, 1, 1)])
def test_outputs_have_the_expected_shapes_and_range(image: tuple[int, int, int]) -> None:
    G, D = make("generator", ImageShape(*image), z_dim=7), make("discriminator", ImageShape(*image))
    x = G(torch.randn(5, 7) * 10)
    assert x.shape == (5, *image)
    assert x.abs().max() <= 1
    assert D(x).shape == (5,)
    assert D(x[:1]).shape == (1,)
    assert torch.equal(D(x, torch.zeros(5, dtype=torch.int64)), D(x, None))


def test_discriminator_returns_logits() -> None:
    torch.manual_seed(0)
    logits = make("discriminator", MNIST)(torch.randn(64, *MNIST) * 50)
    assert logits.min() < 0 or logits.max() > 1


@pytest.mark.parametrize("kind", ["generator", "discriminator"])
def test_same_seed_creates_the_same_weights(kind: str) -> None:
    def weights(seed: int) -> list[torch.Tensor]:
        torch.manual_seed(seed)
        return list(make(kind, MNIST).state_dict().values())

    assert all(torch.equal(a, b) for a, b in zip(weights(3), weights(3), strict=True))
    assert not torch.equal(weights(3)[0], weights(4)[0])


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        ("generator", {"hidden": "128,0"}, r"hidden is \(128, 0\)"),
        ("generator", {"hidden": ""}, r"hidden is \(\)"),
        ("discriminator", {"hidden": "-1"}, r"hidden is \(-1,\)"),
        ("discriminator", {"hidden": "wide"}, "hidden is 'wide'; expected int,int,…"),
        ("generator", {"batch_norm_eps": 0}, "batch_norm_eps is 0"),
        ("generator", {"batch_norm_eps": math.nan}, "batch_norm_eps is nan"),
        ("discriminator", {"slope": -0.1}, "slope is -0.1"),
        ("discriminator", {"batch_norm": True}, "has no option 'batch_norm'"),
    ],
)
def test_invalid_options_are_rejected(kind: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(GanctlError, match=message) as caught:
        make(kind, MNIST, given)
    assert caught.value.status == USAGE
    assert caught.value.hint


@pytest.mark.parametrize("name", ["gan-basic", "gan"])
def test_components_of_models_accept_their_options(name: str) -> None:
    registry = discovery.registry()
    model: Model = registry.get("model", name).load()
    for kind, spec in {
        "generator": model.generator,
        "discriminator": model.discriminator,
        "loss": model.loss,
        "optimizer": model.g_optimizer,
    }.items():
        resolved = options.resolve(kind, name, registry.get(kind, spec.name).load(), spec.options)
        assert {key: resolved[key] for key in spec.options} == dict(spec.options)
    assert model.d_optimizer == model.g_optimizer
