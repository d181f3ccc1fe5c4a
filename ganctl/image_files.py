"""Open image files. Every image that ganctl or one of its plugins opens goes through :func:`open_image`.

A file from a stranger may have any content: an EPS image with the extension ``.png`` would start another program, and a
small file can contain more pixels than the memory. Decode workers import this module, so it does not import torch.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ganctl.system.files import open_regular

if TYPE_CHECKING:
    from PIL.Image import Image

#: Formats of Pillow that are decoded in this process, by Pillow itself or by a codec library that is part of it.
FORMATS = (
    "PNG", "JPEG", "MPO", "WEBP", "AVIF", "GIF", "BMP", "DIB", "TIFF", "JPEG2000", "PPM", "TGA", "ICO", "PCX", "SGI",
    "DDS", "QOI",
)  # fmt: skip
MAX_PIXELS = 2**28  # enough for the largest cameras; 800 MB as RGB


def open_image(source: Path | str | IO[bytes]) -> Image:
    """Open an image without decoding its pixels.

    Args:
        source: path of a regular file, or a file opened in binary mode.

    Raises:
        OSError: the file cannot be read, has another format, or has more than ``MAX_PIXELS`` pixels.
    """
    from PIL import Image

    if isinstance(source, (str, Path)):
        open_regular(source).close()  # a pipe would block forever
    try:
        image = Image.open(source, formats=_available())
    except Image.DecompressionBombError as error:
        raise OSError(f"more than {MAX_PIXELS:,} pixels") from error
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise OSError(f"{image.width}×{image.height} pixels, more than {MAX_PIXELS:,}")
    return image


def read_image(source: Path | str | IO[bytes]) -> Image:
    """Open an image, decode it, and convert it to mode L or RGB.

    Raises:
        OSError: :func:`open_image` raises it, or the file is damaged.
    """
    image = open_image(source)
    try:
        image.load()
    except (MemoryError, OSError):
        raise
    except Exception as error:  # decoders raise many kinds of errors for a damaged file
        raise OSError(f"damaged: {error}") from error
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


@lru_cache
def extensions() -> frozenset[str]:
    """Return the extensions of all files that can be opened, such as ``".png"``."""
    from PIL import Image

    known = _available()
    return frozenset(end for end, name in Image.registered_extensions().items() if name in known)


@lru_cache
def _available() -> tuple[str, ...]:
    """Return the formats that this build of Pillow has."""
    from PIL import Image

    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)
