"""Test ganctl_autoencoder."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers.networks import images, make, parameters
from torch import nn

from ganctl import GanctlError, ImageShape
from ganctl.errors import USAGE


@pytest.mark.parametrize("size", [8, 28, 32])
@pytest.mark.parametrize("colors", [1, 3])
def test_output_has_the_shape_of_the_input(size: int, colors: int) -> None:
    image = ImageShape(colors, size, size)
    D = make("discriminator", "autoencoder", image, {"width": 4})
    x = images(3, image)
    assert D(x).shape == x.shape
    assert torch.equal(D.eval()(x), D(x, torch.tensor([1, 2, 3])))


def test_with_code_also_returns_the_code() -> None:
    image = ImageShape(1, 16, 20)
    D = make("discriminator", "autoencoder", image, {"width": 4, "code": 7, "with_code": True}).eval()
    x = images(3, image)
    reconstruction, code = D(x)
    assert (reconstruction.shape, code.shape) == (x.shape, (3, 7))
    # The reconstruction depends only on the code.
    assert torch.equal(D.decode(code), reconstruction)
    assert torch.equal(D.encode(x), code)


def test_number_of_parameters_equals_pytorch_gan() -> None:
    """The expected number comes from began.py at 32×32×1."""
    down, length = 9 * 64 + 64, 64 * 16 * 16
    inner = length * 32 + 32 + 2 * 32 + 32 * length + length + 2 * length
    D = make("discriminator", "autoencoder", ImageShape(1, 32, 32))
    assert parameters(D) == down + inner + 9 * 64 + 1


def test_outputs_of_images_are_independent_without_batch_norm() -> None:
    image = ImageShape(1, 8, 8)
    for batch_norm in (True, False):
        D = make("discriminator", "autoencoder", image, {"width": 4, "batch_norm": batch_norm})
        assert any(isinstance(m, nn.BatchNorm1d) for m in D.modules()) == batch_norm
        x = images(4, image).requires_grad_()
        (gradient,) = torch.autograd.grad(D(x)[0].square().sum(), x)
        assert gradient[1:].any().item() == batch_norm


def test_reconstruction_error_decreases_in_training() -> None:
    torch.manual_seed(0)
    image = ImageShape(1, 8, 8)
    D = make("discriminator", "autoencoder", image, {"width": 8, "code": 4})
    x = images(1, image).repeat(8, 1, 1, 1) * torch.linspace(-1, 1, 8)[:, None, None, None]
    optimizer = torch.optim.Adam(D.parameters(), lr=1e-2)
    errors = []
    for _ in range(60):
        error = (D(x) - x).abs().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        errors.append(error.item())
    assert errors[-1] < 0.6 * errors[0]


@pytest.mark.parametrize(
    ("size", "given", "message"),
    [
        (27, {}, "divisible by 2"),
        (28, {"width": 0}, "width is 0"),
        (28, {"code": -1}, "code is -1"),
    ],
)
def test_invalid_options_and_sizes_are_rejected(size: int, given: dict[str, Any], message: str) -> None:
    with pytest.raises(GanctlError, match=message) as caught:
        make("discriminator", "autoencoder", ImageShape(1, size, size), given)
    assert caught.value.status == USAGE


def test_same_seed_creates_the_same_network_and_state_dict_restores_it() -> None:
    image = ImageShape(1, 8, 8)

    def build(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return make("discriminator", "autoencoder", image).eval()

    one, two, other = build(1), build(1), build(2)
    x = images(2, image)
    assert torch.equal(one(x), two(x))
    assert not torch.equal(one(x), other(x))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(x), other(x))
