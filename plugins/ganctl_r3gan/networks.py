"""The residual networks of Huang et al. 2024, in plain PyTorch."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from ganctl import DATA, USAGE, GanctlError, ImageShape, sizes
from ganctl_r3gan.resample import downsample, upsample

SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))  # preserves the variance through a leaky ReLU
CONVOLUTIONS = 3  # per block


class Block(nn.Module):
    """A residual block with an inverted bottleneck: a 1×1 convolution to more channels, grouped 3×3, and 1×1 back.

    The first two convolutions have biases and leaky ReLU 0.2. The block is initialized as in Fixup (Zhang et al. 2019,
    arXiv:1901.09321), so that the network needs no normalization: the last convolution is zero, and the weights of the
    other convolutions are multiplied by L^(−1/4) in a network of L = ``depth`` blocks. ``forward`` takes and returns
    float N×``channels``×H×W.
    """

    def __init__(self, channels: int, expansion: int, group_size: int, depth: int) -> None:
        super().__init__()
        inner = channels * expansion
        self.widen = nn.Conv2d(channels, inner, 1)
        self.grouped = nn.Conv2d(inner, inner, 3, padding=1, groups=inner // group_size)
        self.narrow = nn.Conv2d(inner, channels, 1, bias=False)
        gain = GAIN * depth ** (-1 / (2 * CONVOLUTIONS - 2))
        for layer in (self.widen, self.grouped):
            _initialize(layer, gain)
        nn.init.zeros_(self.narrow.weight)

    def forward(self, x: Tensor) -> Tensor:
        h = leaky_relu(self.widen(x), SLOPE)
        h = leaky_relu(self.grouped(h), SLOPE)
        return x + self.narrow(h)


class Generator(nn.Module):
    """A learned basis scaled by a linear map of z, stages of residual blocks, and a 1×1 convolution to the image.

    ``forward`` takes z, float N×``z_dim``, and (with ``num_classes``) y, int64 N, and returns float N×C×H×W.
    """

    unbounded = True  # read by ganctl.testing: x is not limited to [−1, 1]

    def __init__(
        self,
        component: str,
        image: ImageShape,
        z_dim: int,
        *,
        width: int,
        max_width: int,
        blocks: int,
        group_size: int,
        expansion: int,
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        start, widths = _plan(component, image, width, max_width, blocks, group_size, expansion)
        widths = widths[::-1]
        self.embedding = None
        if num_classes is not None:
            self.embedding = nn.Embedding(_require_labels(component, num_classes), z_dim)
            nn.init.normal_(self.embedding.weight, std=num_classes**-0.5)
            z_dim *= 2
        self.basis = nn.Parameter(torch.randn(widths[0], *start))
        self.weights = nn.Linear(z_dim, widths[0], bias=False)
        _initialize(self.weights)
        depth = blocks * len(widths)
        self.stages = nn.ModuleList(
            _blocks(channels, blocks, expansion, group_size, depth) for channels in widths
        )
        self.between = nn.ModuleList(_project(inputs, outputs) for inputs, outputs in pairwise(widths))
        self.to_image = nn.Conv2d(widths[-1], image.channels, 1, bias=False)
        _initialize(self.to_image)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            z = torch.cat([z, self.embedding(y)], 1)
        h = self.stages[0](self.basis * self.weights(z)[:, :, None, None])
        for project, stage in zip(self.between, self.stages[1:], strict=True):
            h = stage(upsample(project(h)))
        return self.to_image(h)


class Discriminator(nn.Module):
    """A 1×1 convolution of the image, stages of residual blocks, a depthwise convolution and a linear map to the logit.

    With ``num_classes``, the linear map returns a vector instead, and the logit is its dot product with the class
    embedding. ``forward`` takes x, float N×C×H×W, and (with ``num_classes``) y, int64 N, and returns float32 N.
    """

    def __init__(
        self,
        component: str,
        image: ImageShape,
        *,
        width: int,
        max_width: int,
        blocks: int,
        group_size: int,
        expansion: int,
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        end, widths = _plan(component, image, width, max_width, blocks, group_size, expansion)
        depth, last = blocks * len(widths), widths[-1]
        self.from_image = nn.Conv2d(image.channels, widths[0], 1, bias=False)
        _initialize(self.from_image)
        self.stages = nn.ModuleList(
            _blocks(channels, blocks, expansion, group_size, depth) for channels in widths
        )
        self.between = nn.ModuleList(_project(inputs, outputs) for inputs, outputs in pairwise(widths))
        self.basis = nn.Conv2d(last, last, end, groups=last, bias=False)
        self.to_logit = nn.Linear(last, 1 if num_classes is None else last, bias=False)
        for layer in (self.basis, self.to_logit):
            _initialize(layer)
        self.embedding = None
        if num_classes is not None:
            self.embedding = nn.Embedding(_require_labels(component, num_classes), last)
            nn.init.normal_(self.embedding.weight, std=(num_classes * last) ** -0.5)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.stages[0](self.from_image(x))
        for project, stage in zip(self.between, self.stages[1:], strict=True):
            h = stage(project(downsample(h)))
        with torch.autocast(x.device.type, enabled=False):  # the 8 bits of bfloat16 are too few for a logit
            h = h.float() if h.dtype == torch.bfloat16 else h
            h = self.to_logit(self.basis(h).flatten(1))
            return h.squeeze(1) if self.embedding is None else (h * self.embedding(y)).sum(1)


def _plan(
    component: str,
    image: ImageShape,
    width: int,
    max_width: int,
    blocks: int,
    group_size: int,
    expansion: int,
) -> tuple[tuple[int, int], list[int]]:
    """Return the smallest height and width, and the channels of each stage, starting next to the image."""
    sizes.at_least(
        component,
        1,
        width=width,
        max_width=max_width,
        blocks=blocks,
        group_size=group_size,
        expansion=expansion,
    )
    doublings, start = sizes.doublings(component, image)
    widths = [min(width << stage, max_width) for stage in range(doublings + 1)]
    for channels in widths:
        if channels * expansion % group_size:
            raise GanctlError(
                f"The {component} has a layer with {channels}·{expansion} channels, which is not "
                f"divisible by the group size, {group_size}.",
                "Change width, max_width, expansion or group_size.",
                status=USAGE,
            )
    return start, widths


def _blocks(channels: int, blocks: int, expansion: int, group_size: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(Block(channels, expansion, group_size, depth) for _ in range(blocks)))


def _project(inputs: int, outputs: int) -> nn.Module:
    if inputs == outputs:
        return nn.Identity()
    layer = nn.Conv2d(inputs, outputs, 1, bias=False)
    _initialize(layer)
    return layer


def _initialize(layer: nn.Conv2d | nn.Linear, gain: float = 1.0) -> None:
    """Initialize weights from N(0, gain²/inputs) and biases with 0."""
    nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _require_labels(component: str, num_classes: int) -> int:
    if num_classes < 1:
        raise GanctlError(
            f"The {component} needs labels, but this dataset has none.",
            "Choose data with labels (such as a folder with one subfolder per class), or add: "
            "--generator r3gan --discriminator r3gan",
            status=DATA,
        )
    return num_classes
