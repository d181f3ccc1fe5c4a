"""Unconditional and conditional batch normalization with the same signature."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class BatchNorm(nn.BatchNorm2d):
    """Batch normalization that ignores labels."""

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return super().forward(x)


class ConditionalBatchNorm(nn.Module):
    """Batch normalization with a scale and a shift for each class (Dumoulin et al. 2017, arXiv:1610.07629).

    BN(x)·γ_y + β_y over N×C×H×W, initialized with γ = 1 and β = 0. Statistics are computed over the whole batch, not
    per class. ``forward`` takes x, float N×C×H×W, and y, int64 N, and returns float N×C×H×W.
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.scale = nn.Parameter(torch.ones(num_classes, channels))
        self.shift = nn.Parameter(torch.zeros(num_classes, channels))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x = self.norm(x)
        scale, shift = (table.to(x.dtype)[y][:, :, None, None] for table in (self.scale, self.shift))
        return x * scale + shift
