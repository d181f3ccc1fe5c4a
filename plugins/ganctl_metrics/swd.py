"""Sliced Wasserstein distance of image patches."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

import ganctl

PATCH = 7  # pixels
COARSEST = 16  # minimum size of a pyramid level, in pixels


class SlicedWasserstein:
    """Distance between patches of samples and patches of the data at every scale (Karras et al. 2018, section 5).

    Random 7×7 patches are taken from each level of a Laplacian pyramid down to 16 pixels. They are normalized to mean
    0 and standard deviation 1 in each channel and projected onto random directions. The distance is the mean absolute
    difference of the sorted projections, averaged over the levels and multiplied by 1000, as in the paper. Lower is
    better, and the minimum is 0. Equal numbers of reals and fakes are compared. No download is needed. The paper uses
    16384 images, 128 patches and 512 directions. Compare values only if these numbers are equal.

    Args:
        patches: number of patches per image and level.
        directions: number of random directions onto which the patches are projected.

    Raises:
        GanctlError: if ``patches`` or ``directions`` is below 1.
    """

    def __init__(self, patches: int = 16, directions: int = 128) -> None:
        if patches < 1 or directions < 1:
            raise ganctl.GanctlError(
                f"swd: patches is {patches} and directions is {directions}; both must be at least 1.",
                "Omit both options to use the defaults, 16 and 128.",
                status=ganctl.USAGE,
            )
        self.patches, self.directions = patches, directions

    def __call__(self, fakes: Iterator[Tensor], reals: ganctl.Images) -> float:
        generated = torch.cat(list(fakes))
        n = min(len(generated), len(reals.x))
        random = torch.Generator().manual_seed(0)
        chosen = torch.randperm(len(reals.x), generator=random)[:n]
        real, fake = self._descriptors(reals.x[chosen]), self._descriptors(generated[:n])
        distances = [self._distance(a, b, random) for a, b in zip(real, fake, strict=True)]
        return 1000 * sum(distances) / len(distances)

    def _descriptors(self, images: Tensor) -> list[Tensor]:
        """Return normalized patches of uint8 N×C×H×W for each level, finest first: float32 (N·patches)×(C·49)."""
        random = torch.Generator().manual_seed(0)
        found: list[list[Tensor]] = []
        for batch in images.split(256):
            for level, x in enumerate(pyramid(batch.float() / 127.5 - 1)):
                if level == len(found):
                    found.append([])
                found[level].append(self._patches(x, random))
        return [_normalize(torch.cat(patches)) for patches in found]

    def _patches(self, x: Tensor, random: torch.Generator) -> Tensor:
        """Return random patches of float N×C×H×W: (N·patches)×C×7×7."""
        n, height, width = len(x), x.shape[2], x.shape[3]
        top = torch.randint(max(height - PATCH, 0) + 1, (n, self.patches, 1, 1), generator=random)
        left = torch.randint(max(width - PATCH, 0) + 1, (n, self.patches, 1, 1), generator=random)
        rows = top + torch.arange(min(PATCH, height)).view(1, 1, -1, 1)
        columns = left + torch.arange(min(PATCH, width)).view(1, 1, 1, -1)
        which = torch.arange(n).view(-1, 1, 1, 1)
        return x.permute(0, 2, 3, 1)[which, rows, columns].flatten(0, 1).permute(0, 3, 1, 2)

    def _distance(self, a: Tensor, b: Tensor, random: torch.Generator) -> float:
        directions = torch.randn(a.shape[1], self.directions, generator=random)
        directions /= directions.norm(dim=0)
        projected = [(descriptors @ directions).sort(dim=0).values for descriptors in (a, b)]
        return float((projected[0] - projected[1]).abs().mean())


def pyramid(x: Tensor) -> list[Tensor]:
    """Return the Laplacian pyramid of float N×C×H×W (Burt & Adelson 1983). The last level is the low-pass residual."""
    levels = []
    while min(x.shape[2:]) >= 2 * COARSEST:
        smaller = _blur(x)[:, :, ::2, ::2]
        levels.append(x - interpolate(smaller, size=x.shape[2:], mode="bilinear", align_corners=False))
        x = smaller
    return [*levels, x]


def _blur(x: Tensor) -> Tensor:
    line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    channels = x.shape[1]
    kernel = torch.outer(line, line).expand(channels, 1, 5, 5)
    return conv2d(pad(x, (2, 2, 2, 2), mode="reflect"), kernel, groups=channels)


def _normalize(patches: Tensor) -> Tensor:
    """Normalize float N×C×h×w to mean 0 and standard deviation 1 in each channel. Return one row per patch."""
    mean = patches.mean(dim=(0, 2, 3), keepdim=True)
    deviation = patches.std(dim=(0, 2, 3), keepdim=True, correction=0)
    return ((patches - mean) / deviation.clamp(min=1e-8)).flatten(1)
