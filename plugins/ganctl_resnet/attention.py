"""Self-attention over the positions of a feature map."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Zhang et al. 2019 (arXiv:1805.08318), equations 1 to 3.

    y = γ·o + x with o_j = v(Σ_i β_ji·h(x_i)) and β_ji = softmax over i of f(x_i)ᵀg(x_j), over the H·W positions of
    N×C×H×W. f, g and h are 1×1 convolutions to C/8 channels; v is a 1×1 convolution back to C channels. γ is learned
    and starts at 0, so attention has no effect at first. ``forward`` takes and returns float N×C×H×W.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(channels // 8, 1)
        self.f = nn.Conv2d(channels, inner, 1, bias=False)
        self.g = nn.Conv2d(channels, inner, 1, bias=False)
        self.h = nn.Conv2d(channels, inner, 1, bias=False)
        self.v = nn.Conv2d(inner, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))
        for layer in (self.f, self.g, self.h, self.v):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        # Written out because torch's fused attention lacks the second derivative that gradient penalties need.
        keys, queries, values = (layer(x).flatten(2) for layer in (self.f, self.g, self.h))
        beta = (queries.transpose(1, 2) @ keys).softmax(2)  # N×positions j×positions i
        attended = (values @ beta.to(values.dtype).transpose(1, 2)).unflatten(2, x.shape[2:])
        return self.gamma.to(x.dtype) * self.v(attended) + x
