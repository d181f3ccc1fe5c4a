"""ReLU and leaky ReLU without their second derivative, which is zero.

torch computes the second derivative nevertheless, as a backward pass of zeros through every layer below. A gradient
penalty, which takes the gradient of a gradient, spends up to a quarter of its time on these passes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

aten = torch.ops.aten


class SkipZeroSecondDerivatives(TorchFunctionMode):
    """Context manager that skips the second derivative of ReLU and leaky ReLU. Gradients of any order are unchanged."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if replacement := _REPLACEMENTS.get(func):
            return replacement(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


class _LeakyReLU(torch.autograd.Function):
    """x if x > 0, otherwise slope·x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.slope = slope
        return F.leaky_relu(x, slope) if slope else torch.relu(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return _LeakyReLUBackward.apply(gradients[0], ctx.saved_tensors[0], ctx.slope), None


class _LeakyReLUBackward(torch.autograd.Function):
    """The gradient of leaky ReLU. It is linear in ``g`` and piecewise constant in ``x``."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, x: Tensor, slope: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.slope = slope
        result: Tensor = (
            aten.leaky_relu_backward(g, x, slope, False) if slope else aten.threshold_backward(g, x, 0)
        )
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return _LeakyReLUBackward.apply(gradients[0], ctx.saved_tensors[0], ctx.slope), None, None


def _relu(input: Tensor, inplace: bool = False) -> Any:
    return _LeakyReLU.apply(input, 0.0)


def _leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    return _LeakyReLU.apply(input, negative_slope)


_REPLACEMENTS: dict[Any, Callable[..., Any]] = {
    F.relu: _relu,
    torch.relu: _relu,
    Tensor.relu: _relu,
    F.leaky_relu: _leaky_relu,
}
