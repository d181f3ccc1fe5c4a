"""Doubling and halving the size with a bilinear filter, implemented with convolutions.

Both functions apply the filter (1, 3, 3, 1)/8 along each axis, with zero padding. Except at the border, this equals
``interpolate(mode="bilinear", antialias=True)``. In contrast to ``interpolate``, the first and second derivatives of a
convolution are deterministic on a GPU.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def upsample(x: Tensor) -> Tensor:
    """Double the size: float N×C×H×W → N×C×2H×2W."""
    channels = x.shape[1]
    return F.conv_transpose2d(x, 4 * _filter(x), stride=2, padding=1, groups=channels)


def downsample(x: Tensor) -> Tensor:
    """Halve the size: float N×C×H×W → N×C×H/2×W/2."""
    channels = x.shape[1]
    return F.conv2d(x, _filter(x), stride=2, padding=1, groups=channels)


def _filter(x: Tensor) -> Tensor:
    # Computed on the device as 4 − |2i − 3|, because a CUDA graph cannot contain a copy from pageable host memory.
    i = torch.arange(4, device=x.device)
    line = (4 - (2 * i - 3).abs()).to(x.dtype) / 8
    return (line[:, None] * line).expand(x.shape[1], 1, 4, 4)
