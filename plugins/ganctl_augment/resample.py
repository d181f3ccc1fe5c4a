"""Resampling that is twice differentiable with respect to the images.

Gradient penalties differentiate the gradient. In some supported versions of torch, ``grid_sample`` has no second
derivative, and its backward pass is not deterministic on CUDA. ``gather`` does not have these limitations: its backward
pass is ``scatter_add``, whose backward pass is ``gather``.
"""

from __future__ import annotations

import torch
from torch import Tensor


def gather_pixels(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Return the pixels of each image at integer positions.

    Args:
        x: N×C×H×W.
        row: int64 in [0, H), broadcastable with ``column`` to N×H'×W'.
        column: int64 in [0, W).

    Returns:
        N×C×H'×W' of x's dtype.
    """
    n, channels, _, width = x.shape
    index = row * width + column
    flat = index.flatten(1).unsqueeze(1).expand(n, channels, -1)
    return x.flatten(2).gather(2, flat).unflatten(2, index.shape[1:])


def bilinear(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Return each image at fractional positions by bilinear interpolation, with reflection padding.

    The result is exact at integer positions.

    Args:
        x: float N×C×H×W.
        row: float N×H'×W', in pixels; 0 is the center of the first row.
        column: float N×H'×W', in pixels; 0 is the center of the first column.

    Returns:
        N×C×H'×W' of x's dtype.
    """
    top, bottom, down = _neighbors(row, x.shape[2])
    left, right, across = _neighbors(column, x.shape[3])
    down, across = down.to(x.dtype).unsqueeze(1), across.to(x.dtype).unsqueeze(1)
    above = gather_pixels(x, top, left) * (1 - across) + gather_pixels(x, top, right) * across
    below = gather_pixels(x, bottom, left) * (1 - across) + gather_pixels(x, bottom, right) * across
    return above * (1 - down) + below * down


def _neighbors(position: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the pixels before and after a position on an axis of ``size`` pixels, and the second pixel's weight."""
    last = max(size - 1, 1)
    mirrored = last - (position.remainder(2 * last) - last).abs()
    before = mirrored.floor()
    after = (before + 1).clamp(max=size - 1)
    return before.clamp(max=size - 1).long(), after.long(), mirrored - before


def at_least_float32(x: Tensor) -> Tensor:
    """Return ``x`` as float32, or unchanged if it is float64."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
