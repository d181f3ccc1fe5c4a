"""DiffAugment: Zhao et al. 2020 (arXiv:2006.10738)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ganctl import USAGE, GanctlError
from ganctl_augment.resample import at_least_float32, gather_pixels


class DiffAugment(nn.Module):
    """Random color jitter, translation and cutout of every image that D sees (Zhao et al. 2020).

    The operations are sampled independently for each image and each call, and applied in the order of ``policy``.
    Pixels without a source become 0 (mid-gray). Color jitter may exceed [−1, 1]. As in the paper, values are not
    clipped.

    Args:
        policy: operations in order: ``color`` (brightness ±0.5, saturation ×[0, 2], contrast ×[0.5, 1.5]),
            ``translation`` (up to 1/8 of the side length) and ``cutout`` (a rectangle of half the side length).
            With none, images are unchanged.

    Raises:
        GanctlError: if ``policy`` contains an unknown operation.
    """

    def __init__(self, policy: tuple[str, ...] = ("color", "translation", "cutout")) -> None:
        super().__init__()
        for name in policy:
            if name not in OPERATIONS:
                raise GanctlError(
                    f"diffaug has no operation '{name}'.",
                    f"Choose from: {', '.join(OPERATIONS)}.",
                    status=USAGE,
                )
        self.policy = tuple(policy)

    def forward(self, x: Tensor) -> Tensor:
        """Augment float N×C×H×W in [−1, 1]; return the same shape and dtype."""
        out = at_least_float32(x)
        for name in self.policy:
            out = OPERATIONS[name](out)
        return out.to(x.dtype)

    def extra_repr(self) -> str:
        return ", ".join(self.policy)


def color(x: Tensor) -> Tensor:
    """Change brightness, then saturation (except in grayscale images), then contrast."""
    brightness, saturation, contrast = torch.rand(3, len(x), 1, 1, 1, dtype=x.dtype, device=x.device).unbind()
    x = x + (brightness - 0.5)
    if x.shape[1] > 1:
        gray = x.mean(1, keepdim=True)
        x = gray + (x - gray) * (2 * saturation)
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (x - mean) * (contrast + 0.5)


def translation(x: Tensor) -> Tensor:
    """Shift by whole pixels, up to 1/8 of the side length, independently along each axis."""
    n, _, height, width = x.shape
    row = _arange(height, x).view(1, -1, 1) - _random_integers(n, -(height // 8), height // 8, x)
    column = _arange(width, x).view(1, 1, -1) - _random_integers(n, -(width // 8), width // 8, x)
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return gather_pixels(x, row.clamp(0, height - 1), column.clamp(0, width - 1)) * inside.unsqueeze(1)


def cutout(x: Tensor) -> Tensor:
    """Set a rectangle of half the side length to 0. Its center is in the image, but part of it may be outside."""
    n, _, height, width = x.shape
    kept = []
    for size, position in (
        (height, _arange(height, x).view(1, -1, 1)),
        (width, _arange(width, x).view(1, 1, -1)),
    ):
        half = size // 2
        # The center of an even length is between two pixels, which adds one position.
        first = _random_integers(n, 0, size - half % 2, x) - half // 2
        kept.append((position < first) | (position >= first + half))
    return x * (kept[0] | kept[1]).unsqueeze(1)


OPERATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "color": color,
    "translation": translation,
    "cutout": cutout,
}


def _arange(size: int, x: Tensor) -> Tensor:
    return torch.arange(size, device=x.device)


def _random_integers(n: int, low: int, high: int, x: Tensor) -> Tensor:
    """Sample one integer from ``low`` to ``high`` (inclusive) per image: int64 N×1×1."""
    return torch.randint(low, high + 1, (n, 1, 1), device=x.device)
