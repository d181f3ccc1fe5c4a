"""From a picture file to pixels, in a worker process that imports no torch and so starts at once."""

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

#: Part of every cache entry's fingerprint: raise it when the same file gives other pixels than before.
VERSION = 1


class Block(NamedTuple):
    """What became of some pictures: the readable ones' pixels, and why the others are not among them."""

    pixels: NDArray[np.uint8] | None  # K×C×H×W; None if none was readable, or if their sizes differ
    kept: list[int]  # which of the names these are, by position
    broken: list[tuple[int, str]]  # position and reason
    mixed: bool = False


def decode(
    open_picture: Callable[[str], Image.Image], names: Sequence[str], size: int | None, channels: int | None
) -> Block:
    """The pictures called ``names``. With ``channels`` None the block is gray if all of them are."""
    arrays: list[NDArray[np.uint8]] = []
    kept: list[int] = []
    broken: list[tuple[int, str]] = []
    for position, name in enumerate(names):
        try:
            with open_picture(name) as image:
                arrays.append(pixels(image, size, channels))
            kept.append(position)
        except Exception as error:  # whatever a damaged file or a plugin's code comes up with
            broken.append((position, reason(error)))
    return joined(arrays, kept, broken)


def joined(arrays: list[NDArray[np.uint8]], kept: list[int], broken: list[tuple[int, str]]) -> Block:
    """One block of C×H×W arrays, which become three-channelled if one of them is."""
    if not arrays:
        return Block(None, kept, broken)
    if len({array.shape[1:] for array in arrays}) > 1:
        return Block(None, kept, broken, mixed=True)
    if len({array.shape[0] for array in arrays}) > 1:
        arrays = [np.broadcast_to(array, (3, *array.shape[1:])) for array in arrays]
    return Block(np.stack(arrays), kept, broken)


def pixels(image: Image.Image, size: int | None, channels: int | None = None) -> NDArray[np.uint8]:
    """uint8 C×H×W of an opened picture.

    Turned as its EXIF says, 16 bits scaled to 8, laid on white where it is transparent. With ``size``, the
    largest centered square is resized to size×size; pixels that have that size already are not touched.

    Args:
        image: any mode that Pillow opens; of an animation the first frame.
        size: height and width to make it, or None: its own.
        channels: 1 or 3, or None: 1 if the picture is gray, else 3.
    """
    if size:
        image.draft(None, (2 * size, 2 * size))  # large JPEGs decode at a fraction, still twice what is kept
    image.load()
    with contextlib.suppress(Exception):  # a damaged EXIF block is no reason to lose the picture
        ImageOps.exif_transpose(image, in_place=True)
    image = _flat(image)
    if channels is not None:
        image = image.convert("L" if channels == 1 else "RGB")
    if size and image.size != (size, size):
        image = _square(image, size)
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def _flat(image: Image.Image) -> Image.Image:
    """The picture as L or RGB: 8 bits, no palette, no alpha."""
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_eight_bits(np.asarray(image)))
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


def _eight_bits(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Deeper grays scaled to 8 bits by the range that their type or their largest value implies."""
    high = float(np.nanmax(array)) if array.size else 0.0
    if array.dtype == np.uint16:
        top = 65535.0
    elif array.dtype.kind == "f":
        top = next((t for t in (1.0, 255.0, 65535.0) if high <= t), high)
    else:  # Pillow's I: mostly 16 bits in a wider type
        top = max(65535.0, high)
    scaled = np.nan_to_num(array.astype(np.float64)) * (255.0 / top)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def _square(image: Image.Image, size: int) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    if side == size:
        return image.crop(box)
    # Cropped before it is resized: a 10×100,000 strip would otherwise become a gigantic picture.
    return image.resize((size, size), Image.Resampling.BICUBIC, box=box)


def reason(error: BaseException) -> str:
    """Why a picture cannot be read, in one line and without what means nothing to a user."""
    if isinstance(error, UnidentifiedImageError):
        return "not a picture that Pillow can read"
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).split())
    known = isinstance(error, (OSError, ValueError, Image.DecompressionBombError))
    return text if text and known else f"{type(error).__name__}: {text}".rstrip(": ")


def serve() -> None:
    """A worker's life: take a set-up from stdin, then lists of names; answer each with a :class:`Block`.

    Ends when stdin does, which is also when its parent has died, however that happened.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us too; the parent decides what it means
    warnings.simplefilter("ignore")
    stdin, stdout = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get among the answers
    size, channels, opener = pickle.load(stdin)
    try:
        open_picture = pickle.loads(opener)
        answer: Any = None
    except Exception as error:
        answer = f"{type(error).__name__}: {error}"
    try:
        while True:
            pickle.dump(answer, stdout, protocol=5)
            stdout.flush()
            answer = decode(open_picture, pickle.load(stdin), size, channels)
    except (EOFError, BrokenPipeError):
        pass
    # No clean-up of half-flushed streams: the parent is gone.
    os._exit(0)
