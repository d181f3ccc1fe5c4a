"""The sliced Wasserstein distance of patches."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

import ganctl

PATCH = 7  # pixels
COARSEST = 16  # pixels: no level of the pyramid is smaller


class SlicedWasserstein:
    """How far patches of G's pictures are from patches of the data, at every scale (Karras et al. 2018, section 5).

    Of each level of a Laplacian pyramid, down to 16 pixels, random 7×7 patches are taken, brought to mean 0 and
    standard deviation 1 in each channel, and projected on random directions; the distance is the mean difference of
    the sorted projections, times 1000 as in the paper, and the mean over the levels. 0 is the best. The same numbers
    of reals and fakes are compared, all reals if there are fewer of them. Needs no download. The paper takes 16384
    pictures, 128 patches and 512 directions: compare values only where these are the same.

    Args:
        patches: Patches of each picture and level.
        directions: Random directions that the patches are projected on.
    """

    def __init__(self, patches: int = 16, directions: int = 128) -> None:
        if patches < 1 or directions < 1:
            raise ganctl.GanctlError(
                f"swd: patches is {patches} and directions is {directions}; both are at least 1.",
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
        """Of uint8 N×C×H×W: the patches of each level, finest first, normalized: float32 (N·patches)×(C·49)."""
        random = torch.Generator().manual_seed(0)
        found: list[list[Tensor]] = []
        for batch in images.split(256):
            for level, x in enumerate(pyramid(batch.float() / 127.5 - 1)):
                if level == len(found):
                    found.append([])
                found[level].append(self._patches(x, random))
        return [_normalized(torch.cat(patches)) for patches in found]

    def _patches(self, x: Tensor, random: torch.Generator) -> Tensor:
        """Random patches of float N×C×H×W: (N·patches)×C×7×7."""
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
    """The Laplacian pyramid of float N×C×H×W (Burt & Adelson 1983); its last level is what is left."""
    levels = []
    while min(x.shape[2:]) >= 2 * COARSEST:
        smaller = _blurred(x)[:, :, ::2, ::2]
        levels.append(x - interpolate(smaller, size=x.shape[2:], mode="bilinear", align_corners=False))
        x = smaller
    return [*levels, x]


def _blurred(x: Tensor) -> Tensor:
    line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    channels = x.shape[1]
    kernel = torch.outer(line, line).expand(channels, 1, 5, 5)
    return conv2d(pad(x, (2, 2, 2, 2), mode="reflect"), kernel, groups=channels)


def _normalized(patches: Tensor) -> Tensor:
    """float N×C×h×w with mean 0 and standard deviation 1 in each channel, as rows."""
    mean = patches.mean(dim=(0, 2, 3), keepdim=True)
    deviation = patches.std(dim=(0, 2, 3), keepdim=True, correction=0)
    return ((patches - mean) / deviation.clamp(min=1e-8)).flatten(1)
