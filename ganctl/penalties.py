"""Gradient penalties, and the points at which they are taken: what losses share, also those of plugins.

Everything here works under autocast and inside a CUDA graph: no value leaves the device, random numbers are drawn
where the images are, and the gradient is taken in float32 whatever D computes in.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganctl.kernels.relu import SkipZeroSecondDerivatives
from ganctl.loss import Batch, Critic, logits


def with_gradient(D: Critic, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """D's N logits at ``x``, and the gradient of each with respect to its own image.

    Both carry the graph to D's weights, so that one pass serves a loss and its penalty; neither carries one to
    where ``x`` came from. The gradient is that of the logits' sum, which is a row for each image only while D
    treats images apart: batch normalization would mix them.

    Args:
        x: float N×C×H×W.
        y: int64 N, or None.

    Returns:
        Logits, float N, and gradients, float N×C×H×W, both float32 at least.
    """
    x = x.detach().requires_grad_()
    with SkipZeroSecondDerivatives():
        on_x = logits(D, Batch(x, y))
    with torch.autocast(x.device.type, enabled=False):
        (gradient,) = torch.autograd.grad(on_x.sum(), x, create_graph=True)
    return on_x, gradient.to(on_x.dtype)


def squared_norm(gradient: Tensor) -> Tensor:
    """‖∇‖² of each image: N×C×H×W → N."""
    return gradient.square().flatten(1).sum(1)


def norm(gradient: Tensor) -> Tensor:
    """‖∇‖ of each image: N×C×H×W → N. Its own gradient at zero is zero, not infinite."""
    return torch.linalg.vector_norm(gradient.flatten(1), dim=1)


def zero_centered(D: Critic, x: Tensor, y: Tensor | None = None) -> Tensor:
    """E‖∇D(x)‖², a scalar: R₁ at real images, R₂ at fakes (Mescheder et al. 2018, arXiv:1801.04406, section 4.1).

    The paper's γ/2 is left to the loss. Arguments as for :func:`with_gradient`.
    """
    return squared_norm(with_gradient(D, x, y)[1]).mean()


def one_centered(D: Critic, x: Tensor, y: Tensor | None = None, *, one_sided: bool = False) -> Tensor:
    """E(‖∇D(x)‖ − 1)², a scalar (Gulrajani et al. 2017, arXiv:1704.00028, equation 3, without its λ).

    Args:
        x: float N×C×H×W, mostly from :func:`between` or :func:`around`.
        y: int64 N, or None.
        one_sided: penalize only what is above 1: E max(0, ‖∇D(x)‖ − 1)².
    """
    excess = norm(with_gradient(D, x, y)[1]) - 1
    return (excess.relu() if one_sided else excess).square().mean()


def between(real: Tensor, fake: Tensor) -> Tensor:
    """A point on the line from each real image to its fake: ε·real + (1 − ε)·fake, ε ~ U(0, 1) for each pair.

    Gulrajani et al. 2017 (arXiv:1704.00028), algorithm 1. All float N×C×H×W.
    """
    shape = (len(real), *[1] * (real.ndim - 1))
    epsilon = torch.rand(shape, dtype=real.dtype, device=real.device)
    return epsilon * real.detach() + (1 - epsilon) * fake.detach()


def around(x: Tensor, scale: float | Tensor = 0.5) -> Tensor:
    """A point near each image: x + δ, δ ~ N(0, (scale·σ)²·I), where σ is the batch's standard deviation.

    Kodali et al. 2017 (arXiv:1705.07215): noise of one variance for every pixel. They give that variance in units
    of their data; measured in σ it fits any data. Float N×C×H×W.
    """
    x = x.detach()
    return x + scale * x.std() * torch.randn_like(x)
