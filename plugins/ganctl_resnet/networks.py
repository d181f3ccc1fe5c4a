"""The residual generator and discriminator that all components of this plugin use."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganctl import DATA, GanctlError, ImageShape, sizes
from ganctl_resnet.attention import SelfAttention
from ganctl_resnet.blocks import DownBlock, FirstBlock, UpBlock, add_spectral_norm, initialize
from ganctl_resnet.norm import BatchNorm, ConditionalBatchNorm

Pool = Literal["sum", "mean"]


class Generator(nn.Module):
    """Project z to a feature map of 4 to 7 pixels, double its size with residual blocks, and apply an output layer.

    ``forward`` takes z, float N×``z_dim``, and (with ``num_classes``) y, int64 N, and returns float N×C×H×W in
    [−1, 1].
    """

    def __init__(
        self,
        component: str,
        image: ImageShape,
        z_dim: int,
        width: int | None,
        max_width: int | None,
        *,
        num_classes: int | None = None,
        spectral_norm: bool = False,
        attention: int | None = None,
    ) -> None:
        super().__init__()
        sizes.at_least(component, 1, width=width, max_width=max_width, attention=attention)
        blocks, start = sizes.doublings(component, image)
        widths = _widths(image, blocks + 1, width, max_width, small=256)[::-1]
        norm: Callable[[int], nn.Module] = BatchNorm
        if num_classes is not None:
            norm = partial(ConditionalBatchNorm, num_classes=_require_labels(component, num_classes))
        self.start = (widths[0], *start)
        self.project = nn.Linear(z_dim, widths[0] * start[0] * start[1])
        self.layers = nn.ModuleList()
        sides = [min(start) << block for block in range(blocks + 1)]
        attend = _attention_index(sides, image, attention)
        for block in range(blocks + 1):
            if block > 0:
                self.layers.append(UpBlock(widths[block - 1], widths[block], norm, blocks))
            if block == attend:
                self.layers.append(SelfAttention(widths[block]))
        self.norm = BatchNorm(widths[-1])
        self.to_image = nn.Conv2d(widths[-1], image.channels, 3, padding=1)
        for layer in (self.project, self.to_image):
            initialize(layer)
        if spectral_norm:
            self.apply(add_spectral_norm)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.project(z).view(-1, *self.start)
        for layer in self.layers:
            h = layer(h, y)
        return self.to_image(F.relu(self.norm(h))).tanh()


class Discriminator(nn.Module):
    """Residual blocks without normalization, ReLU, φ (the sum or mean over positions), and the logit w·φ + b.

    With ``num_classes``, the logit also includes the projection e_y·φ of Miyato & Koyama 2018 (arXiv:1802.05637),
    equation 4, with a class embedding e. ``forward`` takes x, float N×C×H×W in [−1, 1], and (with ``num_classes``) y,
    int64 N, and returns float32 N.
    """

    def __init__(
        self,
        component: str,
        image: ImageShape,
        width: int | None,
        max_width: int | None,
        *,
        pool: Pool,
        num_classes: int | None = None,
        spectral_norm: bool = False,
        attention: int | None = None,
    ) -> None:
        super().__init__()
        sizes.at_least(component, 1, width=width, max_width=max_width, attention=attention)
        sizes.doublings(component, image)  # accept only sizes that the generator supports
        small = _is_small(image)
        sides = [min(image.height, image.width) // 2]
        while len(sides) < 2 if small else sides[-1] > 4 and sides[-1] % 2 == 0:
            sides.append(sides[-1] // 2)
        blocks = len(sides) + (2 if small else 1)
        widths = _widths(image, blocks, width, max_width, small=128)
        attend = _attention_index(sides, image, attention)
        self.layers = nn.Sequential(FirstBlock(image.channels, widths[0], blocks))
        for block in range(blocks):
            if block > 0:
                halve = block < len(sides)
                self.layers.append(DownBlock(widths[block - 1], widths[block], blocks, halve))
            if block == attend:
                self.layers.append(SelfAttention(widths[block]))
        self.pool = pool
        self.to_logit = nn.Linear(widths[-1], 1)
        initialize(self.to_logit)
        self.embedding = None
        if num_classes is not None:
            self.embedding = nn.Embedding(_require_labels(component, num_classes), widths[-1])
            nn.init.xavier_uniform_(self.embedding.weight)
        if spectral_norm:
            self.apply(add_spectral_norm)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = F.relu(self.layers(x))
        # The 8 bits of bfloat16 are too few for a sum over hundreds of positions and for the logit.
        with torch.autocast(x.device.type, enabled=False):
            h = h.float() if h.dtype == torch.bfloat16 else h
            phi = h.sum((2, 3)) if self.pool == "sum" else h.mean((2, 3))
            logits = self.to_logit(phi).squeeze(1)
            if self.embedding is not None:
                logits = logits + (self.embedding(y) * phi).sum(1)
        return logits


def _is_small(image: ImageShape) -> bool:
    return min(image.height, image.width) <= 32


def _widths(image: ImageShape, count: int, width: int | None, max_width: int | None, small: int) -> list[int]:
    """Return the channels of each layer, starting next to the image.

    For images of up to 32 pixels, all layers have the same width, by default ``small``, as in the papers. For larger
    images, the width doubles with each layer.
    """
    first = width or (small if _is_small(image) else 64)
    most = max_width or (first if _is_small(image) else 1024)
    return [min(first << block, most) for block in range(count)]


def _attention_index(sides: list[int], image: ImageShape, attention: int | None) -> int | None:
    """Return the index of the largest feature map of at most ``attention`` pixels that is smaller than the image."""
    if attention is None:
        return None
    short = min(image.height, image.width)
    fitting = [side for side in sides if side <= attention and side < short]
    return sides.index(max(fitting) if fitting else min(sides))


def _require_labels(component: str, num_classes: int) -> int:
    if num_classes < 1:
        raise GanctlError(
            f"The {component} needs labels, but this dataset has none.",
            "Choose data with labels (such as a folder with one subfolder per class), or a model without classes.",
            status=DATA,
        )
    return num_classes
