"""Split a sample grid into its images, and count how many of the images are distinct."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

Array = np.ndarray[Any, Any]
PADDING = 2  # pixels between the images of a grid, as in ganctl.rendering.grid
#: Two images count as the same if their distance is below this fraction of the typical distance between
#: a real image and the most similar other real image.
SAME_IMAGE = 0.35
#: A grid has collapsed if its fraction of distinct images is below this value.
COLLAPSED = 0.5
MAX_COMPARED = 100  # images of a grid


@dataclass(frozen=True)
class Layout:
    """Columns and rows of a grid, and the width and height of its images in pixels."""

    columns: int
    rows: int
    width: int
    height: int

    def size(self, columns: int, rows: int) -> tuple[int, int]:
        """Return the width and height, in pixels, of a grid of ``columns`` × ``rows`` such images."""
        return columns * (self.width + PADDING) + PADDING, rows * (self.height + PADDING) + PADDING


def layout_of(
    image: Image, shape: tuple[int, int, int] | None, grid: tuple[int, int] | None = None
) -> Layout | None:
    """Return the layout of a grid, or None if it is unknown or does not match the size of ``image``.

    Args:
        image: the grid.
        shape: shape of its images, C, H and W, as recorded in ``status.json``.
        grid: columns and rows, as recorded in ``status.json``. By default, as many as fit into ``image``.
    """
    if shape is None:
        return None
    _, height, width = shape
    columns, rows = grid or (
        (image.width - PADDING) // (width + PADDING),
        (image.height - PADDING) // (height + PADDING),
    )
    layout = Layout(columns, rows, width, height)
    return layout if columns and rows and layout.size(columns, rows) == image.size else None


def split(grid: Image, layout: Layout) -> Array:
    """Return the images of a grid as a uint8 array, rows×columns×H×W×C."""
    pixels = np.asarray(grid).reshape(grid.height, grid.width, -1)[PADDING:, PADDING:]
    step_y, step_x = layout.height + PADDING, layout.width + PADDING
    shape = (layout.rows, step_y, layout.columns, step_x, pixels.shape[2])
    return pixels.reshape(shape).transpose(0, 2, 1, 3, 4)[:, :, : layout.height, : layout.width]


def nearest_distance(images: Array) -> float:
    """Return the median distance from one of ``images`` (N×H×W×C) to the most similar other image.

    The distance is the root-mean-square difference between pixels.
    """
    if len(images) < 2:
        return math.nan
    distances = _distances(images)
    np.fill_diagonal(distances, np.inf)
    return float(np.median(distances.min(axis=1)))


def count_distinct(images: Array, reals: Array) -> int:
    """Return how many of ``images`` are distinct. ``reals`` determine the scale of distances. Both are N×H×W×C.

    Two images count as the same if a chain of images connects them in which any two neighbors are the same.
    """
    same = _distances(images) < SAME_IMAGE * nearest_distance(reals)
    remaining, count = set(range(len(images))), 0
    while remaining:
        group = {remaining.pop()}
        while group:
            group = {int(j) for i in group for j in np.flatnonzero(same[i]) if j in remaining}
            remaining -= group
        count += 1
    return count


def are_blank(images: Array) -> bool:
    """Return True if each of ``images`` has a nearly uniform color."""
    return bool(images.reshape(len(images), -1).std(axis=1).max() < 2.0)


def contrast(images: Array) -> float:
    """Return the median standard deviation of the pixels of ``images`` (N×H×W×C), from 0 to 127.5.

    Blocks of 2×2 pixels are averaged first to suppress pixel noise.
    """
    x = _halved(images)
    return float(np.median(x.reshape(len(x), -1).std(axis=1)))


def _halved(images: Array) -> Array:
    """Return at most MAX_COMPARED images as float32, at half size if their sides have at least 16 pixels."""
    x = images[:MAX_COMPARED].astype(np.float32)
    if min(x.shape[1:3]) < 16:
        return x
    h, w = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    return np.asarray(x[:, :h, :w].reshape(len(x), h // 2, 2, w // 2, 2, -1).mean(axis=(2, 4)))


def _distances(images: Array) -> Array:
    """Return the N×N RMS differences of at most MAX_COMPARED images at half size, which suppresses pixel noise."""
    x = _halved(images)
    x = x.reshape(len(x), -1)
    squares = (x * x).mean(axis=1)
    return np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * (x @ x.T) / x.shape[1], 0))
