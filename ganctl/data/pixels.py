"""Map pixels of any dtype and range to [−1, 1] for networks and to 8 bits for viewing.

torch implements few operations for unsigned integers with more than 8 bits. :func:`as_signed` returns the same memory
with a signed dtype, which can be gathered and copied on every device.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ganctl.dataset import Images
from ganctl.rendering import grid

#: Supported dtypes of images.
DTYPES = {"uint8": torch.uint8, "uint16": torch.uint16, "float32": torch.float32}
_SIGNED = {torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64}
_BLOCK = 1024  # number of images converted at a time


class PixelFormat(NamedTuple):
    """The dtype of pixels, and the values that become −1 and 1."""

    dtype: torch.dtype
    low: float
    high: float

    @classmethod
    def of(cls, images: Images) -> PixelFormat:
        """Return the format of a dataset."""
        if images.range is not None:
            return cls(images.x.dtype, *map(float, images.range))
        return cls(images.x.dtype, 0.0, float(torch.iinfo(images.x.dtype).max))

    @classmethod
    def from_state(cls, state: dict[str, Any] | None) -> PixelFormat:
        """Return the format for the result of :meth:`to_state`. None, as in older checkpoints, means uint8."""
        if state is None:
            return UINT8
        low, high = state["range"]
        return cls(DTYPES[state["dtype"]], low, high)

    def to_state(self) -> dict[str, Any]:
        """Return the format as a table for a checkpoint."""
        return {"dtype": str(self.dtype).removeprefix("torch."), "range": [self.low, self.high]}

    def scaled(self, x: Tensor) -> Tensor:
        """Map pixels to float32 in [−1, 1]. ``x`` may also be the result of :func:`as_signed`.

        float32 has 24 significant bits, so all uint16 values remain distinct.
        """
        if self == UINT8:
            return x.float().div_(127.5).sub_(1)
        if x.dtype == torch.int16:
            x = x.int().bitwise_and_(0xFFFF)
        return x.float().sub(self.low).mul_(2 / (self.high - self.low)).sub_(1)

    def unscaled(self, x: Tensor) -> Tensor:
        """Map float images in [−1, 1] to pixels on the CPU. Values are clipped, and rounded for integer formats."""
        if self == UINT8:
            return grid.to_uint8(x)
        x = x.detach().float().cpu().add(1).mul_((self.high - self.low) / 2).add_(self.low)
        x.clamp_(self.low, self.high)
        if self.dtype.is_floating_point:
            return x
        return x.round_().clamp_(0, torch.iinfo(self.dtype).max).int().to(self.dtype)

    def to_uint8(self, x: Tensor) -> Tensor:
        """Convert pixels to 8 bits, using the same mapping as :meth:`scaled`. −1 becomes 0, and 1 becomes 255."""
        if self == UINT8:
            return x
        return torch.cat([grid.to_uint8(self.scaled(block)) for block in x.split(_BLOCK)])


UINT8 = PixelFormat(torch.uint8, 0.0, 255.0)


def as_uint8(images: Images) -> Images:
    """Return ``images`` with 8-bit pixels, which metrics receive."""
    x = PixelFormat.of(images).to_uint8(images.x)
    return images if x is images.x else images._replace(x=x, range=None)


def as_signed(x: Tensor) -> Tensor:
    """Return ``x``, or a signed view of its memory if ``x`` has unsigned integers with more than 8 bits."""
    return x.view(_SIGNED[x.dtype]) if x.dtype in _SIGNED else x


def take(x: Tensor, indices: Tensor) -> Tensor:
    """Return the rows ``indices`` (int64) of ``x``, which can have any dtype."""
    return as_signed(x).index_select(0, indices).view(x.dtype)


def concatenate(blocks: Iterable[Tensor]) -> Tensor:
    """Return the rows of all ``blocks``, of any dtype."""
    parts = list(blocks)
    return torch.cat([as_signed(part) for part in parts]).view(parts[0].dtype)


def wrong_pixels(x: Tensor, pixel_range: tuple[float, float] | None) -> str:
    """Return why ``x`` and its range are invalid for :class:`ganctl.Images`, or an empty string if they are valid."""
    if x.dtype not in DTYPES.values():
        return f"x is {str(x.dtype).removeprefix('torch.')}, not uint8, uint16 or float32"
    if pixel_range is None:
        if x.dtype.is_floating_point:
            return "x is float32 and has no range"
        return ""
    if len(pixel_range) != 2 or not all(np.isfinite(pixel_range)) or not pixel_range[0] < pixel_range[1]:
        return f"range is {pixel_range}, not (low, high) with low < high"
    low, high = extremes(x)
    if not (pixel_range[0] <= low and high <= pixel_range[1]):  # also true if a value is NaN
        return f"x has values from {low:g} to {high:g}, but range is {tuple(pixel_range)}"
    return ""


def extremes(x: Tensor) -> tuple[float, float]:
    """Return the smallest and largest value of ``x``, a non-empty CPU tensor. If any value is NaN, return NaN."""
    blocks = [block.numpy() for block in x.split(_BLOCK)]
    return float(np.min([block.min() for block in blocks])), float(np.max([block.max() for block in blocks]))
