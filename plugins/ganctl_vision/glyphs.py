"""A dataset of drawn digits that needs no download."""

from __future__ import annotations

from functools import partial

import PIL
from PIL import features

import ganctl
from ganctl_vision.draw_glyph import VERSION, draw


def glyphs(n: int = 10_000, seed: int = 0) -> ganctl.Dataset:
    """Digits 0 to 9 in Pillow's default font with a random shift, rotation, slant, size, stroke width and bend.

    Args:
        n: number of images. For the same seed, a smaller dataset is a prefix of a larger dataset.
        seed: seed of the random variations.

    Raises:
        GanctlError: if ``n`` is below 1.
    """
    if n < 1:
        raise ganctl.GanctlError(
            f"glyphs: n is {n}; it must be at least 1.",
            "Omit 'n' to use the default, 10000.",
            status=ganctl.USAGE,
        )
    return Glyphs(n, seed)


class Glyphs(ganctl.Dataset):
    """A dataset of ``n`` glyphs, 28×28 gray, with labels 0 to 9."""

    def __init__(self, n: int, seed: int) -> None:
        self.n = n
        self.seed = seed

    def identity(self) -> str:
        return f"glyphs n={self.n} seed={self.seed}"

    def fingerprint(self) -> str:
        freetype = features.version("freetype2")
        return f"{self.identity()} version={VERSION} pillow={PIL.__version__} freetype={freetype}"

    def read(self) -> ganctl.ImageFiles:
        if not features.check("freetype2"):
            raise ganctl.GanctlError(
                f"glyphs requires Pillow with FreeType, but Pillow {PIL.__version__} was built without FreeType.",
                "Install a prebuilt Pillow: pip install --force-reinstall --only-binary :all: pillow",
                status=ganctl.DATA,
            )
        return ganctl.ImageFiles(
            names=[str(index) for index in range(self.n)],
            open=partial(draw, seed=self.seed),
            labels=[index % 10 for index in range(self.n)],
            classes=tuple("0123456789"),
            channels=1,
        )
