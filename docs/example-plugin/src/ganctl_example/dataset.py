"""A dataset that is cheap to compute, so that it returns its images directly."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from ganctl import USAGE, GanctlError, Images


def waves(root: Path, n: int = 2000, size: int = 28, seed: int = 0) -> Images:
    """Long and short waves of random direction and phase.

    Args:
        n: Number of images.
        size: Height and width in pixels.
        seed: Seed of the random directions and phases.
    """
    if n < 1 or size < 4:
        raise GanctlError(
            f"n is {n} and size is {size}: n must be at least 1, and size at least 4.",
            "Use values such as the defaults, n=2000 and size=28.",
            status=USAGE,
        )
    # A separate generator makes the images independent of other random numbers.
    random = torch.Generator().manual_seed(seed)
    angle, shift = 2 * math.pi * torch.rand(2, n, 1, 1, 1, generator=random)
    y = torch.arange(n) % 2
    waves_per_side = torch.where(y == 0, 2.0, 4.0).view(n, 1, 1, 1)
    row, column = torch.meshgrid(*[torch.arange(float(size))] * 2, indexing="ij")
    across = (angle.cos() * row + angle.sin() * column) / size
    x = torch.sin(2 * math.pi * waves_per_side * across + shift)
    return Images(x.add(1).mul(127.5).round().to(torch.uint8), y, ("long", "short"))
