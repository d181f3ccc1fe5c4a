"""Gradient penalties for losses, and functions that select the points at which penalties are evaluated.

All functions work under autocast and inside a CUDA graph: no value is copied from the device, random numbers are drawn
on the device of the images, and gradients are computed in float32 regardless of the precision of D.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganctl import batchwise
from ganctl.kernels.relu import SkipZeroSecondDerivatives
from ganctl.loss import Batch, Critic, logits


def with_gradient(
    D: Critic, x: Tensor, y: Tensor | None = None, c: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the N logits of D at ``x``, and the gradient of each logit with respect to its image.

    Both are differentiable with respect to the weights of D, so a loss and its penalty need only one forward pass. They
    are not differentiable with respect to ``x``. The gradient is computed from the sum of the logits, which is correct
    only if D does not mix images, as batch normalization does.

    Args:
        x: float N×C×H×W.
        y: int64 N, or None.
        c: conditions N×…, or None.

    Returns:
        Logits, N, and gradients, N×C×H×W, both float32, or float64 for a float64 D.
    """
    x = x.detach().requires_grad_()
    with SkipZeroSecondDerivatives():
        on_x = logits(D, Batch(x, y, c=c))
    with torch.autocast(x.device.type, enabled=False):
        (gradient,) = torch.autograd.grad(on_x.sum(), x, create_graph=True)
    return on_x, gradient.to(on_x.dtype)


def squared_norm(gradient: Tensor) -> Tensor:
    """Return ‖∇‖² per image: N×C×H×W → N."""
    return gradient.square().flatten(1).sum(1)


def norm(gradient: Tensor) -> Tensor:
    """Return ‖∇‖ per image: N×C×H×W → N. The derivative of the norm at zero is zero instead of infinite."""
    return torch.linalg.vector_norm(gradient.flatten(1), dim=1)


def zero_centered(D: Critic, x: Tensor, y: Tensor | None = None, c: Tensor | None = None) -> Tensor:
    """Return E‖∇D(x)‖², a scalar (Mescheder et al. 2018, arXiv:1801.04406, section 4.1).

    The result is R₁ if ``x`` are real images, and R₂ if ``x`` are generated images. The caller multiplies it by γ/2, as
    in the paper. The arguments are the same as for :func:`with_gradient`.
    """
    return squared_norm(with_gradient(D, x, y, c)[1]).mean()


def one_centered(
    D: Critic, x: Tensor, y: Tensor | None = None, c: Tensor | None = None, *, one_sided: bool = False
) -> Tensor:
    """Return E(‖∇D(x)‖ − 1)², a scalar (Gulrajani et al. 2017, arXiv:1704.00028, equation 3, without λ).

    Args:
        x: float N×C×H×W, usually from :func:`between` or :func:`around`.
        y: int64 N, or None.
        c: conditions N×…, or None.
        one_sided: if True, penalize only norms above 1: E max(0, ‖∇D(x)‖ − 1)².
    """
    excess = norm(with_gradient(D, x, y, c)[1]) - 1
    return (excess.relu() if one_sided else excess).square().mean()


def between(real: Tensor, fake: Tensor) -> Tensor:
    """Return a random point between each real image and a generated image.

    The points are ε·real + (1 − ε)·fake with ε ~ U(0, 1) per pair (Gulrajani et al. 2017, arXiv:1704.00028,
    algorithm 1). All tensors are float N×C×H×W.
    """
    shape = (len(real), *[1] * (real.ndim - 1))
    epsilon = batchwise.rand_like(real.new_empty(shape))
    return epsilon * real.detach() + (1 - epsilon) * fake.detach()


def around(x: Tensor, scale: float | Tensor = 0.5) -> Tensor:
    """Return a random point near each image: x + δ with δ ~ N(0, (scale·σ)²·I), float N×C×H×W.

    σ is the standard deviation of the batch. Kodali et al. 2017 (arXiv:1705.07215) use a constant variance that suits
    their data. A variance relative to σ suits any data.
    """
    x = x.detach()
    return x + scale * batchwise.std(x) * batchwise.randn_like(x)
