"""Moving pixels, twice differentiable with respect to the images.

Gradient penalties differentiate the gradient. ``grid_sample``'s backward has no derivative in every torch that
ganctl runs on, nor a deterministic form on CUDA; ``gather`` has both: its backward is ``scatter_add``, whose
backward is ``gather`` again.
"""

from __future__ import annotations

import torch
from torch import Tensor


def pick(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """The pixels of each image at whole positions.

    Args:
        x: N×C×H×W.
        row: int64, broadcasts with ``column`` to N×H'×W'; in [0, H).
        column: int64, in [0, W).

    Returns:
        N×C×H'×W' of x's dtype.
    """
    n, channels, _, width = x.shape
    index = row * width + column
    flat = index.flatten(1).unsqueeze(1).expand(n, channels, -1)
    return x.flatten(2).gather(2, flat).unflatten(2, index.shape[1:])


def bilinear(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Each image between its pixels; beyond its border it goes on mirrored, the border pixel not repeated.

    At whole positions the result is exact.

    Args:
        x: float N×C×H×W.
        row: float N×H'×W', in pixels; 0 is the centre of the first row.
        column: float N×H'×W', likewise.

    Returns:
        N×C×H'×W' of x's dtype.
    """
    top, bottom, down = _neighbors(row, x.shape[2])
    left, right, across = _neighbors(column, x.shape[3])
    down, across = down.to(x.dtype).unsqueeze(1), across.to(x.dtype).unsqueeze(1)
    above = pick(x, top, left) * (1 - across) + pick(x, top, right) * across
    below = pick(x, bottom, left) * (1 - across) + pick(x, bottom, right) * across
    return above * (1 - down) + below * down


def _neighbors(position: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """The pixels before and after a position on an axis of ``size`` pixels, and the weight of the latter."""
    last = max(size - 1, 1)
    mirrored = last - (position.remainder(2 * last) - last).abs()
    before = mirrored.floor()
    after = (before + 1).clamp(max=size - 1)
    return before.clamp(max=size - 1).long(), after.long(), mirrored - before


def wide(x: Tensor) -> Tensor:
    """``x`` in float32, or in float64 if it is."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
