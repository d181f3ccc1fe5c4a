"""Digits that ganctl draws itself: something to train on at once, without a download."""

from __future__ import annotations

from functools import partial

import PIL
from PIL import features

import ganctl
from ganctl_vision.drawing import VERSION, draw


def glyphs(n: int = 10_000, seed: int = 0) -> ganctl.Dataset:
    """Digits 0 to 9 in Pillow's own font under random shift, turn, slant, size, weight and bend.

    Args:
        n: How many. A larger set begins with the smaller one of the same seed.
        seed: Another seed, other glyphs.
    """
    if n < 1:
        raise ganctl.GanctlError(
            f"glyphs: n is {n}; it must be at least 1.", "The default is 10000.", status=ganctl.USAGE
        )
    return Glyphs(n, seed)


class Glyphs(ganctl.Dataset):
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
                f"glyphs needs a Pillow with FreeType; this one ({PIL.__version__}) was built without.",
                "Install a ready-made one: pip install --force-reinstall --only-binary :all: pillow",
                status=ganctl.DATA,
            )
        return ganctl.ImageFiles(
            names=[str(index) for index in range(self.n)],
            open=partial(draw, seed=self.seed),
            labels=[index % 10 for index in range(self.n)],
            classes=tuple("0123456789"),
            channels=1,
        )
