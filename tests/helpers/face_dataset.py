"""A dataset that reads a folder of images, and helpers that load the dataset through the cache."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from ganctl import Dataset, ImageFiles, Images
from ganctl.data.cache import Loaded, load_images
from helpers import image_openers


class Faces(Dataset):
    """The images in a folder. Counts how many times images are opened."""

    def __init__(
        self, folder: Path, opener: Callable[..., Image.Image] = image_openers.counted, **fields: object
    ) -> None:
        self.folder = folder
        self.opener = opener
        self.fields = fields
        self.state = "1"

    def identity(self) -> str:
        return f"faces {self.folder}"

    def fingerprint(self) -> str:
        return self.state

    def read(self) -> ImageFiles:
        names = sorted(os.listdir(self.folder))
        opener = functools.partial(self.opener, folder=str(self.folder))
        return ImageFiles(names=names, open=opener, **self.fields)  # type: ignore[arg-type]

    @property
    def opened(self) -> int:
        log = Path(f"{self.folder}.opened")
        return len(log.read_text().splitlines()) if log.exists() else 0


def load(dataset: Dataset | Images, cache: Path, size: int | None = None, **options: object) -> Loaded:
    return load_images("faces", dataset, image_size=size, cache_dir=cache, **options)  # type: ignore[arg-type]


def files(cache: Path) -> list[str]:
    return sorted(p.name for p in (cache / "datasets").iterdir() if p.suffix != ".lock")
