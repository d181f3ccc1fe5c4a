"""Test ganctl_r3gan."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers.networks import images, make, parameters
from torch import nn

from ganctl import GanctlError, ImageShape, Model
from ganctl.errors import DATA, USAGE
from ganctl.latent import Normal
from ganctl.plugin import discovery
from ganctl_r3gan.networks import Block
from ganctl_r3gan.resample import downsample, upsample

NAMES = ["r3gan", "r3gan-conditional"]
SMALL = {"width": 8, "max_width": 16, "blocks": 1}
Y = torch.tensor([0, 9, 4])


def block(channels: int, groups: int) -> int:
    inner = 2 * channels
    return 2 * channels * inner + inner + 9 * inner * inner // groups + inner


def test_number_of_parameters_equals_the_published_networks_for_cifar10() -> None:
    """The authors' networks have 4 stages of 2 blocks, 768 channels, 96 groups, 64-d z and 10 classes."""
    image, given = ImageShape(3, 32, 32), {"width": 768, "max_width": 768}
    with torch.device("meta"):
        G = make("generator", "r3gan-conditional", image, given, latent=Normal(64))
        D = make("discriminator", "r3gan-conditional", image, given)
    blocks = 8 * block(768, 96)
    assert parameters(G) == blocks + 768 * 16 + 128 * 768 + 3 * 768 + 10 * 64 == 20_781_952
    assert parameters(D) == blocks + 3 * 768 + 768 * 16 + 768 * 768 + 10 * 768 == 21_280_512


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [8, 28, 32, 48, 64])
@pytest.mark.parametrize("colors", [1, 3])
def test_outputs_have_the_expected_shapes(name: str, size: int, colors: int) -> None:
    image = ImageShape(colors, size, size)
    G, D = make("generator", name, image, SMALL), make("discriminator", name, image, SMALL)
    x = G(torch.randn(3, 12), Y)
    assert x.shape == (3, *image)
    logits = D(x, Y)
    assert logits.shape == (3,)
    assert logits.dtype == torch.float32
    logits.sum().backward()
    for network in (G, D):
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert D(x[:1], Y[:1]).shape == (1,)


def test_images_need_not_be_square() -> None:
    image = ImageShape(3, 32, 48)
    x = make("generator", "r3gan", image, SMALL)(torch.randn(2, 12))
    assert x.shape == (2, *image)
    assert make("discriminator", "r3gan", image, SMALL)(x).shape == (2,)


@pytest.mark.parametrize("kind", ["generator", "discriminator"])
@pytest.mark.parametrize("name", NAMES)
def test_unsupported_size_is_rejected_with_supported_sizes(kind: str, name: str) -> None:
    with pytest.raises(GanctlError, match=f"The {name} {kind} does not support 30×30") as caught:
        make(kind, name, ImageShape(1, 30, 30), SMALL)
    assert caught.value.status == USAGE
    assert caught.value.hint.endswith("--image-size 28 or --image-size 32")


@pytest.mark.parametrize("kind", ["generator", "discriminator"])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"width": 0}, "width is 0"),
        ({"blocks": 0}, "blocks is 0"),
        ({"group_size": 0}, "group_size is 0"),
        ({"expansion": -1}, "expansion is -1"),
        ({"width": 12}, "12·2 channels, which is not divisible by the group size, 16"),
    ],
)
def test_invalid_options_are_rejected(kind: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(GanctlError, match=message) as caught:
        make(kind, "r3gan", ImageShape(1, 32, 32), given)
    assert caught.value.status == USAGE
    assert caught.value.hint


@pytest.mark.parametrize("kind", ["generator", "discriminator"])
def test_conditional_networks_without_labels_are_rejected(kind: str) -> None:
    make(kind, "r3gan", ImageShape(1, 16, 16), SMALL, num_classes=0)
    with pytest.raises(GanctlError, match=f"The r3gan-conditional {kind} needs labels") as caught:
        make(kind, "r3gan-conditional", ImageShape(1, 16, 16), SMALL, num_classes=0)
    assert caught.value.status == DATA


@pytest.mark.parametrize("kind", ["generator", "discriminator"])
@pytest.mark.parametrize("name", NAMES)
def test_only_conditional_networks_depend_on_the_label(kind: str, name: str) -> None:
    torch.manual_seed(0)
    image = ImageShape(1, 16, 16)
    network = make(kind, name, image, SMALL)
    x = (torch.randn(1, 12) if kind == "generator" else images(1, image)).repeat(
        3, *([1] if kind == "generator" else [1, 1, 1])
    )
    out = network(x, torch.tensor([1, 1, 2]))
    assert torch.allclose(out[0], out[1])
    assert torch.allclose(out[0], out[2], rtol=1e-4, atol=1e-6) == (name == "r3gan")
    if name == "r3gan":
        assert torch.equal(network(x), out)


def test_block_is_initially_the_identity_and_has_gradients() -> None:
    torch.manual_seed(0)
    residual = Block(8, 2, 16, depth=8)
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(residual(x), x)
    residual(x).square().mean().backward()
    assert residual.narrow.weight.grad.any()
    gain = math.sqrt(2 / 1.04) * 8**-0.25
    assert residual.widen.weight.std().item() == pytest.approx(gain / math.sqrt(8), rel=0.25)
    wide = Block(64, 2, 16, depth=8)
    assert wide.grouped.weight.std().item() == pytest.approx(gain / math.sqrt(16 * 9), rel=0.05)
    assert wide.grouped.groups == 8


@pytest.mark.parametrize("kind", ["generator", "discriminator"])
def test_networks_contain_only_plain_layers(kind: str) -> None:
    network = make(kind, "r3gan", ImageShape(3, 32, 32))
    allowed = (nn.Conv2d, nn.Linear, nn.Identity)
    leaves = [m for m in network.modules() if not list(m.children())]
    assert all(isinstance(m, allowed) for m in leaves)


def test_initial_variance_is_moderate() -> None:
    torch.manual_seed(0)
    image = ImageShape(3, 64, 64)
    x = make("generator", "r3gan", image, latent=Normal(64))(torch.randn(8, 64))
    assert 0.2 < x.std().item() < 2
    # After repeated low-pass filtering, unit-variance noise has a small but nonzero standard deviation.
    assert 1e-3 < make("discriminator", "r3gan", image)(torch.randn(8, *image)).std().item() < 2


def test_resampling_is_bilinear_except_at_the_border() -> None:
    x = torch.randn(2, 3, 8, 12, dtype=torch.float64)
    doubled, halved = upsample(x), downsample(x)
    assert doubled.shape == (2, 3, 16, 24)
    assert halved.shape == (2, 3, 4, 6)
    expected = F.interpolate(x, scale_factor=2, mode="bilinear")
    assert torch.allclose(doubled[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])
    expected = F.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True)
    assert torch.allclose(halved[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])


def test_resampling_preserves_the_mean() -> None:
    x = torch.zeros(1, 1, 6, 6, dtype=torch.float64)
    x[..., 2:4, 2:4] = 1
    assert upsample(x).sum().item() == pytest.approx(16)
    assert downsample(x).sum().item() == pytest.approx(1)


def test_discriminator_has_second_derivatives() -> None:
    torch.manual_seed(0)
    D = make(
        "discriminator", "r3gan", ImageShape(1, 8, 8), {"width": 2, "group_size": 2, "blocks": 1}
    ).double()
    for p in D.parameters():
        nn.init.normal_(p, std=0.5)
    x = torch.randn(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(D, x)
    assert torch.autograd.gradgradcheck(D, x)


@pytest.mark.parametrize("kind", ["generator", "discriminator"])
@pytest.mark.parametrize("name", NAMES)
def test_network_is_reproduced_by_seed_state_dict_and_copy(kind: str, name: str) -> None:
    image = ImageShape(1, 16, 16)
    torch.manual_seed(3)
    network = make(kind, name, image, SMALL)
    torch.manual_seed(3)
    again = make(kind, name, image, SMALL)
    for a, b in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    other = make(kind, name, image, SMALL)
    other.load_state_dict(network.state_dict())
    x = torch.randn(3, 12) if kind == "generator" else images(3, image)
    with torch.no_grad():
        expected = network.eval()(x, Y)
        assert torch.equal(other.eval()(x, Y), expected)
        assert torch.equal(copy.deepcopy(network)(x, Y), expected)


def test_bfloat16_logits_are_float32_and_close() -> None:
    torch.manual_seed(0)
    image = ImageShape(3, 32, 32)
    D = make("discriminator", "r3gan", image)
    x = images(4, image)
    expected = D(x)
    with torch.autocast("cpu", torch.bfloat16):
        actual = D(x)
    assert actual.dtype == torch.float32
    assert torch.allclose(actual, expected, atol=0.02)


def test_model_uses_published_settings() -> None:
    model: Model = discovery.registry().get("model", "r3gan").load()
    assert (model.loss.name, model.batch_size, dict(model.latent.options)) == ("r3gan", 512, {"z_dim": 64})
    assert model.g_optimizer.options["betas"][0] == 0.0
    # The schedules must end at the final values in the authors' train.py.
    ends = {name: float(text.split()[1]) for name, text in model.schedules.items()}
    assert ends == {"lr": 5e-5, "loss.gamma": 0.1, "ema": 500_000}
    assert (model.g_optimizer.options["lr"], model.loss.options["gamma"]) == (2e-4, 1.0)
    assert all(text.endswith("over 20000kimg") for text in model.schedules.values())
