"""Open image files. ganctl and its plugins open all images with :func:`open_image`.

Untrusted files may have any content: an EPS image with the extension ``.png`` would start another program, and a small
file can contain more pixels than fit into memory. Decode workers import this module, so it does not import torch.
"""

from __future__ import annotations

import importlib
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ganctl.system.files import open_regular

if TYPE_CHECKING:
    from PIL.Image import Image

#: Pillow's formats that are decoded in this process, by Pillow or by a codec library that is included in Pillow.
FORMATS = (
    "PNG", "JPEG", "MPO", "WEBP", "AVIF", "GIF", "BMP", "DIB", "TIFF", "JPEG2000", "PPM", "TGA", "ICO", "PCX", "SGI",
    "DDS", "QOI",
)  # fmt: skip
#: Formats that Pillow reads only with an additional package: their common name and the package, by extension.
PACKAGES = {
    ".heic": ("HEIC", "pillow-heif"),
    ".heif": ("HEIC", "pillow-heif"),
    ".hif": ("HEIC", "pillow-heif"),
    ".avif": ("AVIF", "pillow-avif-plugin"),
    ".jxl": ("JPEG XL", "pillow-jxl-plugin"),
}
MAX_PIXELS = 2**28  # enough for the largest cameras; 800 MB as RGB


def open_image(source: Path | str | IO[bytes]) -> Image:
    """Open an image without decoding its pixels.

    Args:
        source: path of a regular file, or a file opened in binary mode.

    Raises:
        OSError: the file cannot be read, has an unsupported format, or has more than ``MAX_PIXELS`` pixels.
    """
    from PIL import Image, UnidentifiedImageError

    if isinstance(source, (str, Path)):
        open_regular(source).close()  # a pipe would block forever
    try:
        image = Image.open(source, formats=_available())
    except UnidentifiedImageError as error:
        if (extension := _extension_of_content(source)) is None:
            raise
        name, package = PACKAGES[extension]
        if extension in extensions():
            raise OSError(f"a damaged {name} image") from error
        raise OSError(f"{name} needs the package {package}: pip install {package}") from error
    except Image.DecompressionBombError as error:
        raise OSError(f"more than {MAX_PIXELS:,} pixels") from error
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise OSError(f"{image.width}×{image.height} pixels, more than {MAX_PIXELS:,}")
    return image


def read_image(source: Path | str | IO[bytes]) -> Image:
    """Open an image, decode it, and convert it to mode L or RGB.

    Raises:
        OSError: :func:`open_image` raised it, or the file is damaged.
    """
    image = open_image(source)
    try:
        image.load()
    except (MemoryError, OSError):
        raise
    except Exception as error:  # decoders raise many kinds of errors for damaged files
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
    """Return the formats that this build of Pillow supports."""
    from PIL import Image

    Image.init()
    with suppress(ImportError):
        importlib.import_module("pillow_heif").register_heif_opener()
    for module in ("pillow_avif", "pillow_jxl"):  # importing them registers their formats
        with suppress(ImportError):
            importlib.import_module(module)
    return tuple(name for name in (*FORMATS, "HEIF", "JXL") if name in Image.OPEN)


def _extension_of_content(source: Path | str | IO[bytes]) -> str | None:
    """Return the extension in PACKAGES whose format matches the first bytes of a file, or None."""
    if isinstance(source, (str, Path)):
        with open_regular(source) as file:
            start = file.read(12)
    else:
        source.seek(0)
        start = source.read(12)
    if start.startswith(b"\xff\x0a") or start == b"\0\0\0\x0cJXL \r\n\x87\n":
        return ".jxl"
    if start[4:8] == b"ftyp":
        if start[8:12] in (b"avif", b"avis"):
            return ".avif"
        if start[8:12] in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"):
            return ".heic"
    return None
