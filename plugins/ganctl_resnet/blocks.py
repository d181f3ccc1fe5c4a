"""Residual blocks of G and D, as in Gulrajani et al. 2017 and Miyato et al. 2018."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations


class UpBlock(nn.Module):
    """A residual block that doubles the size: float N×``inputs``×H×W → N×``outputs``×2H×2W.

    The branch consists of norm, ReLU, ×2 upsampling, 3×3 convolution, norm, ReLU and 3×3 convolution. The shortcut is
    a 1×1 convolution and ×2 upsampling.

    Args:
        norm: function that returns a normalization layer for a number of channels. The layer's arguments are (x, y).
        blocks: number of blocks in the network, which scales the initial weights.
    """

    def __init__(self, inputs: int, outputs: int, norm: Callable[[int], nn.Module], blocks: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(inputs), norm(outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)
        _initialize_block(self, blocks)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.conv1(_upsample(F.relu(self.norm1(x, y))))
        h = self.conv2(F.relu(self.norm2(h, y)))
        return h + _upsample(self.shortcut(x))


class DownBlock(nn.Module):
    """A residual block that halves the size: float N×``inputs``×H×W → N×``outputs``×H/2×W/2.

    The branch consists of ReLU, 3×3 convolution, ReLU, 3×3 convolution and 2×2 average pooling. The shortcut is a 1×1
    convolution and pooling. If ``halve`` is false, there is no pooling, and the shortcut is the identity if the number
    of channels does not change.
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
    """The first block of D: a :class:`DownBlock` without ReLU before its first convolution."""

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
    """Initialize a convolution or linear layer with Xavier weights and zero bias. Other layers are not changed."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(layer.weight, gain)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _initialize_block(block: UpBlock | DownBlock | FirstBlock, blocks: int) -> None:
    """Initialize with Xavier weights, and divide the weights of the branch's last convolution by √(2·``blocks``).

    Together, all branches then add no more variance than one branch. The sum remains small enough for the 8 bits of
    bfloat16, and the initial outputs of D are small.
    """
    initialize(block.conv1, 2**0.5)
    initialize(block.conv2, blocks**-0.5)
    initialize(block.shortcut)


def add_spectral_norm(module: nn.Module) -> None:
    """Divide the weights of a convolution, linear or embedding layer by their largest singular value."""
    if isinstance(module, nn.Conv2d | nn.Linear) or type(module) is nn.Embedding:
        parametrizations.spectral_norm(module)


def _upsample(x: Tensor) -> Tensor:
    # Nearest-neighbor, as in Miyato et al. The gradient of bilinear upsampling is not deterministic on a GPU.
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
