"""Open an image in a folder or a zip file.

Decode workers import this module, so it must not import torch.
"""

from __future__ import annotations

import io
import os
import zipfile
from functools import lru_cache
from typing import TYPE_CHECKING

from ganctl.image_files import open_image

if TYPE_CHECKING:
    from PIL.Image import Image


def from_folder(name: str, folder: str) -> Image:
    return open_image(os.path.join(folder, name))


def from_zip(name: str, archive: str) -> Image:
    # Reading the whole entry also verifies its checksum.
    return open_image(io.BytesIO(_archive(archive).read(name)))


@lru_cache(maxsize=1)
def _archive(path: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)
