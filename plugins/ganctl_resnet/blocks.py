"""Residual blocks of G and of D, after Gulrajani et al. 2017 and Miyato et al. 2018."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations


class UpBlock(nn.Module):
    """Norm, ReLU, doubling, conv 3×3, norm, ReLU, conv 3×3; added to a doubled conv 1×1 of the input.

    Args:
        norm: makes the normalization of so many channels, which takes (x, y).
        blocks: how many blocks the network has; their branches begin smaller for it.
    """

    def __init__(self, inputs: int, outputs: int, norm: Callable[[int], nn.Module], blocks: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(inputs), norm(outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)
        _initialize_block(self, blocks)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.conv1(_double(F.relu(self.norm1(x, y))))
        h = self.conv2(F.relu(self.norm2(h, y)))
        return h + _double(self.shortcut(x))


class DownBlock(nn.Module):
    """ReLU, conv 3×3, ReLU, conv 3×3, mean over 2×2; added to a conv 1×1 of the input, likewise halved.

    Without ``halve`` nothing is averaged, and the input is added as it is if it has as many channels.
    """

    def __init__(self, inputs: int, outputs: int, blocks: int, halve: bool = True) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.conv2 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if halve or inputs != outputs else nn.Identity()
        self.halve = halve
        _initialize_block(self, blocks)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv2(F.relu(self.conv1(F.relu(x)))) + self.shortcut(x)
        return F.avg_pool2d(h, 2) if self.halve else h


class FirstBlock(nn.Module):
    """The block that sees the image: as :class:`DownBlock`, but no ReLU before its first convolution."""

    def __init__(self, inputs: int, outputs: int, blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)
        _initialize_block(self, blocks)

    def forward(self, x: Tensor) -> Tensor:
        h = F.avg_pool2d(self.conv2(F.relu(self.conv1(x))), 2)
        return h + self.shortcut(F.avg_pool2d(x, 2))


def initialize(layer: nn.Module, gain: float = 1.0) -> None:
    """Xavier weights, no bias; nothing for what is no layer with weights."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(layer.weight, gain)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _initialize_block(block: UpBlock | DownBlock | FirstBlock, blocks: int) -> None:
    """Xavier; the branch's last convolution is smaller by √(2·``blocks``).

    All branches together then add no more variance than one: the sum stays where bfloat16, with its 8 bits,
    still tells a branch from what it is added to, and D's answers begin small.
    """
    initialize(block.conv1, 2**0.5)
    initialize(block.conv2, blocks**-0.5)
    initialize(block.shortcut)


def spectral(module: nn.Module) -> None:
    """Normalizes the weights of ``module`` by their largest singular value, if it has a matrix of weights."""
    if isinstance(module, nn.Conv2d | nn.Linear) or type(module) is nn.Embedding:
        parametrizations.spectral_norm(module)


def _double(x: Tensor) -> Tensor:
    # Nearest neighbor, as Miyato et al. have it: unlike that of bilinear, its gradient repeats exactly on a GPU.
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
