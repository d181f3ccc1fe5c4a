"""Open an image of a folder or a zip file.

Decode workers import this module, so it must not import torch.
"""

from __future__ import annotations

import io
import os
import zipfile
from functools import lru_cache

from PIL import Image


def from_folder(name: str, folder: str) -> Image.Image:
    return Image.open(os.path.join(folder, name))


def from_zip(name: str, archive: str) -> Image.Image:
    # Reading the whole entry also verifies its checksum.
    return Image.open(io.BytesIO(_archive(archive).read(name)))


@lru_cache(maxsize=1)
def _archive(path: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)
