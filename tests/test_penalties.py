"""Compare gradient penalties with closed forms, and the penalties' gradients with finite differences."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck

from ganctl import Batch, GanctlError, penalties
from ganctl.loss import logits


class Quadratic(nn.Module):
    """D(x) = Σ ½a·x² + w·x per image, with the known gradient a·x + w."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.rand(size, dtype=torch.float64) + 0.5)
        self.w = nn.Parameter(torch.randn(size, dtype=torch.float64))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        flat = x.flatten(1)
        return (self.a * flat.square() / 2 + self.w * flat).sum(1)

    def gradient(self, x: Tensor) -> Tensor:
        return (self.a * x.flatten(1) + self.w).view_as(x)


def images(n: int, channels: int = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, channels, 3, 2, dtype=torch.float64, generator=generator) * 2 - 1


@pytest.mark.parametrize("channels", [1, 3])
def test_gradient_is_computed_per_image(channels: int) -> None:
    torch.manual_seed(0)
    D, x = Quadratic(6 * channels), images(4, channels)
    on_x, gradient = penalties.with_gradient(D, x)
    assert torch.equal(on_x, D(x))
    torch.testing.assert_close(gradient, D.gradient(x), rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(
        penalties.zero_centered(D, x), D.gradient(x).square().sum((1, 2, 3)).mean(), rtol=1e-13, atol=0
    )
    norms = D.gradient(x).square().sum((1, 2, 3)).sqrt()
    torch.testing.assert_close(penalties.one_centered(D, x), (norms - 1).square().mean(), rtol=1e-13, atol=0)


def test_one_sided_penalty_ignores_norms_below_one() -> None:
    D = Quadratic(6)
    with torch.no_grad():
        D.a.zero_()
        D.w.copy_(torch.tensor([0.3, 0, 0, 0, 0, 0]))
    x = images(2)
    assert penalties.one_centered(D, x).item() == pytest.approx(0.49)
    assert penalties.one_centered(D, x, one_sided=True).item() == 0
    with torch.no_grad():
        D.w.mul_(10)
    assert penalties.one_centered(D, x, one_sided=True).item() == pytest.approx(4)


PENALTIES: dict[str, Callable[[Callable[..., Tensor], Tensor], Tensor]] = {
    "zero_centered": penalties.zero_centered,
    "one_centered": penalties.one_centered,
    "one_sided": lambda D, x: penalties.one_centered(D, x, one_sided=True),
    "sixth power": lambda D, x: penalties.norm(penalties.with_gradient(D, x)[1]).pow(6).mean(),
}


@pytest.mark.parametrize("name", PENALTIES)
def test_derivatives_with_respect_to_the_weights_are_correct(name: str) -> None:
    """Compare first and second derivatives for a smooth convolutional D with finite differences."""
    torch.manual_seed(1)
    x = images(2)
    kernel = torch.randn(2, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    last = (torch.randn(4, dtype=torch.float64) * 3).requires_grad_()

    def penalty(kernel: Tensor, last: Tensor) -> Tensor:
        def discriminator(x: Tensor, y: Tensor | None) -> Tensor:
            return nn.functional.conv2d(x, kernel).tanh().flatten(1) @ last

        return PENALTIES[name](discriminator, x)

    assert penalty(kernel, last) > 0.01
    assert gradcheck(penalty, (kernel, last))
    assert gradgradcheck(penalty, (kernel, last))


def test_gradient_is_finite_for_a_constant_discriminator() -> None:
    """The derivative of the square root is infinite at zero. A zero norm occurs in networks with dead units."""
    w = torch.zeros(6, requires_grad=True)
    penalty = penalties.one_centered(lambda x, y: x.flatten(1) @ w, images(3).float())
    assert penalty.item() == 1
    (gradient,) = torch.autograd.grad(penalty, w)
    assert gradient.isfinite().all()


def test_images_have_no_gradient_and_are_not_modified() -> None:
    torch.manual_seed(0)
    D, leaf = Quadratic(6), images(3).requires_grad_()
    x = leaf * 1.0
    before = x.detach().clone()
    (penalties.zero_centered(D, x) + penalties.one_centered(D, penalties.between(x, x))).backward()
    penalties.one_centered(D, penalties.around(x)).backward()
    assert leaf.grad is None
    assert D.a.grad is not None
    assert torch.equal(x, before)
    plain = images(3)
    penalties.with_gradient(D, plain)
    assert not plain.requires_grad


def test_between_draws_one_point_per_pair() -> None:
    torch.manual_seed(5)
    real, fake = (
        torch.ones(2000, 3, 2, 2, dtype=torch.float64),
        torch.zeros(2000, 3, 2, 2, dtype=torch.float64),
    )
    points = penalties.between(real, fake)
    epsilon = points[:, 0, 0, 0]
    assert torch.equal(points, epsilon[:, None, None, None].expand_as(points))
    assert epsilon.min() >= 0
    assert epsilon.max() <= 1
    assert epsilon.mean().item() == pytest.approx(0.5, abs=0.02)
    assert epsilon.var().item() == pytest.approx(1 / 12, abs=0.005)
    torch.testing.assert_close(penalties.between(real, real), real)


def test_around_adds_noise_relative_to_the_standard_deviation() -> None:
    torch.manual_seed(5)
    x = torch.randn(500, 1, 4, 4, dtype=torch.float64) * 3
    noise = penalties.around(x, 0.25) - x
    assert noise.mean().item() == pytest.approx(0, abs=0.05)
    assert noise.std().item() == pytest.approx(0.75, abs=0.03)
    assert torch.equal(penalties.around(x, 0.0), x)


def test_random_points_use_torchs_default_generator() -> None:
    x, fake = images(3), images(3, seed=1)
    for draw in (lambda: penalties.between(x, fake), lambda: penalties.around(x)):
        torch.manual_seed(2)
        first, second = draw(), draw()
        torch.manual_seed(2)
        assert torch.equal(draw(), first)
        assert not torch.equal(first, second)


def test_penalty_under_bfloat16_autocast_is_float32_and_accurate() -> None:
    torch.manual_seed(0)
    D = nn.Sequential(nn.Conv2d(1, 8, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(288, 1), nn.Flatten(0))
    x = torch.randn(16, 1, 8, 8)

    def call(x: Tensor, y: Tensor | None) -> Tensor:
        return D(x)

    exact = penalties.one_centered(call, x)
    with torch.autocast("cpu", torch.bfloat16):
        on_x, gradient = penalties.with_gradient(call, x)
        penalty = penalties.one_centered(call, x)
        assert torch.is_autocast_enabled("cpu")
    assert D(x).dtype == on_x.dtype == gradient.dtype == penalty.dtype == torch.float32
    assert penalty.item() == pytest.approx(exact.item(), rel=0.02)
    penalty.backward()
    assert all(p.grad.isfinite().all() for p in D.parameters() if p.grad is not None)
    assert D[0].weight.grad.dtype == torch.float32


@pytest.mark.parametrize(
    ("output", "shape"),
    [(lambda x: x.flatten(1)[:, :1], "4×1"), (lambda x: (x, x), "tuple"), (lambda x: x, "4×1×3×2")],
)
def test_discriminator_without_logits_is_refused(output: Callable[[Tensor], Tensor], shape: str) -> None:
    for function in (lambda D, x: logits(D, Batch(x)), penalties.zero_centered):
        with pytest.raises(GanctlError, match=f"one logit per image, but .* returned {shape} for 4 images"):
            function(lambda x, y: output(x), images(4))
