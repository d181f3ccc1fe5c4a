"""Doubling and halving with a bilinear filter, from plain convolutions.

Both are the filter (1, 3, 3, 1)/8 along each axis, with zeros outside. Away from the border that is what
``interpolate(mode="bilinear", antialias=True)`` computes; but a convolution's gradient, and the gradient of that,
repeat exactly on a GPU.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def double(x: Tensor) -> Tensor:
    """Float N×C×H×W → N×C×2H×2W."""
    channels = x.shape[1]
    return F.conv_transpose2d(x, 4 * _filter(x), stride=2, padding=1, groups=channels)


def halve(x: Tensor) -> Tensor:
    """Float N×C×H×W → N×C×H/2×W/2."""
    channels = x.shape[1]
    return F.conv2d(x, _filter(x), stride=2, padding=1, groups=channels)


def _filter(x: Tensor) -> Tensor:
    # Made on the device, without a copy from the host that a CUDA graph could not hold: 1, 3, 3, 1 is 4 − |2i − 3|.
    i = torch.arange(4, device=x.device)
    line = (4 - (2 * i - 3).abs()).to(x.dtype) / 8
    return (line[:, None] * line).expand(x.shape[1], 1, 4, 4)
