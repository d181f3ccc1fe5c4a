"""ReLU and its leaky kin, bent once and straight elsewhere: a second derivative of zero, which is not computed.

torch computes it all the same, as a backward pass of zeros through every layer below. A gradient penalty, which
takes the gradient of a gradient, spends up to a quarter of its time there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

aten = torch.ops.aten


class StraightLines(TorchFunctionMode):
    """Within, ReLU and leaky ReLU have no second derivative: values and gradients of any order are the same."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function := _BENT.get(func):
            return function(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


class _Bent(torch.autograd.Function):
    """x where it is above 0, slope·x elsewhere."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.slope = slope
        return F.leaky_relu(x, slope) if slope else torch.relu(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return _Slope.apply(gradients[0], ctx.saved_tensors[0], ctx.slope), None


class _Slope(torch.autograd.Function):
    """The derivative: linear in ``g``, and of ``x`` nothing but which side of 0 it is on."""

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
        return _Slope.apply(gradients[0], ctx.saved_tensors[0], ctx.slope), None, None


def _relu(input: Tensor, inplace: bool = False) -> Any:
    return _Bent.apply(input, 0.0)


def _leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    return _Bent.apply(input, negative_slope)


_BENT: dict[Any, Callable[..., Any]] = {
    F.relu: _relu,
    torch.relu: _relu,
    Tensor.relu: _relu,
    F.leaky_relu: _leaky_relu,
}
