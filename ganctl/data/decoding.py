"""Decode image files to pixels. Worker processes run this module, so it must not import torch."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

#: Part of every cache entry's fingerprint. Increase this number when the same file decodes to different pixels.
DECODER_VERSION = 1


class Block(NamedTuple):
    """The result of decoding a list of image files."""

    pixels: NDArray[np.uint8] | None  # K×C×H×W, or None if no file was decoded or if the sizes differ
    decoded: list[int]  # positions of the decoded files in the list
    failed: list[tuple[int, str]]  # position and error of each remaining file
    mixed_sizes: bool = False


def decode(
    open_image: Callable[[str], Image.Image], names: Sequence[str], size: int | None, channels: int | None
) -> Block:
    """Decode the image files ``names``.

    Args:
        open_image: see :class:`ganctl.ImageFiles`.
        names: arguments for ``open_image``.
        size: see :func:`to_array`.
        channels: 1 or 3. If None, 1 if all images are gray, and otherwise 3.
    """
    arrays: list[NDArray[np.uint8]] = []
    decoded: list[int] = []
    failed: list[tuple[int, str]] = []
    for position, name in enumerate(names):
        try:
            with open_image(name) as image:
                arrays.append(to_array(image, size, channels))
            decoded.append(position)
        except Exception as error:  # a damaged file or a plugin's function can raise any exception
            failed.append((position, describe_error(error)))
    return make_block(arrays, decoded, failed)


def make_block(arrays: list[NDArray[np.uint8]], decoded: list[int], failed: list[tuple[int, str]]) -> Block:
    """Stack C×H×W arrays to one block. If any array has three channels, gray arrays are expanded to three channels."""
    if not arrays:
        return Block(None, decoded, failed)
    if len({array.shape[1:] for array in arrays}) > 1:
        return Block(None, decoded, failed, mixed_sizes=True)
    if len({array.shape[0] for array in arrays}) > 1:
        arrays = [np.broadcast_to(array, (3, *array.shape[1:])) for array in arrays]
    return Block(np.stack(arrays), decoded, failed)


def to_array(image: Image.Image, size: int | None, channels: int | None = None) -> NDArray[np.uint8]:
    """Return the pixels of an opened image as uint8 C×H×W.

    The image is rotated according to its EXIF data, 16-bit values are scaled to 8 bits, and transparent areas become
    white.
    With ``size``, the largest centered square is resized to size×size. An image that already has this size is
    not resampled.

    Args:
        image: image in any mode supported by Pillow. Only the first frame of an animation is used.
        size: height and width of the result. If None, the size of the image.
        channels: 1 or 3. If None, 1 if the image is gray, and otherwise 3.
    """
    if size:
        # Decode large JPEGs at a reduced size that is at least twice the size of the result.
        image.draft(None, (2 * size, 2 * size))
    image.load()
    with contextlib.suppress(Exception):  # an image with damaged EXIF data is still usable
        ImageOps.exif_transpose(image, in_place=True)
    image = _to_gray_or_rgb(image)
    if channels is not None:
        image = image.convert("L" if channels == 1 else "RGB")
    if size and image.size != (size, size):
        image = _resize_center_square(image, size)
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def _to_gray_or_rgb(image: Image.Image) -> Image.Image:
    """Convert ``image`` to the mode L or RGB: 8 bits, no palette, no alpha channel."""
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_to_uint8(np.asarray(image)))
    gray = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    elif image.mode == "P":
        image = image.convert("RGB")
        colors = image.getcolors(256) or []
        gray = all(r == g == b for _, (r, g, b) in colors)  # type: ignore[misc]
    return image.convert("L" if gray else "RGB")


def _to_uint8(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale gray values to 8 bits. The input range is determined by the type or the largest value."""
    largest = float(np.nanmax(array)) if array.size else 0.0
    if array.dtype == np.uint16:
        top = 65535.0
    elif array.dtype.kind == "f":
        top = next((t for t in (1.0, 255.0, 65535.0) if largest <= t), largest)
    else:  # Pillow's mode I usually contains 16-bit values
        top = max(65535.0, largest)
    scaled = np.nan_to_num(array.astype(np.float64)) * (255.0 / top)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def _resize_center_square(image: Image.Image, size: int) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    if side == size:
        return image.crop(box)
    # Crop before resizing, because resizing a whole strip of 10×100,000 pixels would need gigabytes.
    return image.resize((size, size), Image.Resampling.BICUBIC, box=box)


def describe_error(error: BaseException) -> str:
    """Return a one-line message that explains why an image cannot be decoded."""
    if isinstance(error, UnidentifiedImageError):
        return "not an image that Pillow can read"
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).split())
    understandable = isinstance(error, (OSError, ValueError, Image.DecompressionBombError))
    return text if text and understandable else f"{type(error).__name__}: {text}".rstrip(": ")


def run_worker() -> None:
    """Run the main loop of a worker process.

    The worker reads the settings and then lists of names from stdin, and writes one :class:`Block` per list to stdout.
    The loop ends when stdin is closed, which also happens when the parent process dies.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles Ctrl-C
    warnings.simplefilter("ignore")
    stdin, stdout = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # text printed by libraries must not be mixed with the results
    size, channels, pickled_opener = pickle.load(stdin)
    try:
        open_image = pickle.loads(pickled_opener)
        result: Any = None
    except Exception as error:
        result = f"{type(error).__name__}: {error}"
    try:
        while True:
            pickle.dump(result, stdout, protocol=5)
            stdout.flush()
            result = decode(open_image, pickle.load(stdin), size, channels)
    except (EOFError, BrokenPipeError):
        pass
    # Exit without flushing, because the parent process no longer reads the output.
    os._exit(0)
