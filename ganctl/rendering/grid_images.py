"""The single pictures of a sample grid, and how many different ones they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

Array = np.ndarray[Any, Any]
PADDING = 2  # pixels between the pictures of a grid, as in ganctl.rendering.grid
#: Two pictures are taken for the same if they are nearer to each other than this share of what the reals' nearest are.
SAME = 0.35
#: Fewer different pictures than this share of all of them is a collapse.
COLLAPSED = 0.5
MOST = 100  # pictures that are compared


@dataclass(frozen=True)
class Layout:
    """A grid of pictures of one size."""

    columns: int
    rows: int
    width: int
    height: int

    def size(self, columns: int, rows: int) -> tuple[int, int]:
        """Pixels of a grid of so many of these pictures."""
        return columns * (self.width + PADDING) + PADDING, rows * (self.height + PADDING) + PADDING


def layout(grid: Image, samples: int) -> Layout | None:
    """How the sample picture of ``samples`` was laid out by the training; None if it was none of its layouts."""
    by_class = [(samples // rows, rows) for rows in range(10, 0, -1) if samples >= rows]
    square = math.ceil(math.sqrt(samples)) if samples > 0 else 1
    pixels = np.asarray(grid).reshape(grid.height, grid.width, -1)
    found = []
    for columns, rows in [(square, math.ceil(samples / square)), *by_class]:
        if (grid.width - PADDING) % columns or (grid.height - PADDING) % rows:
            continue
        width, height = (grid.width - PADDING) // columns - PADDING, (grid.height - PADDING) // rows - PADDING
        if width < 1 or height < 1:
            continue
        between = [pixels[:, i * (width + PADDING) :][:, :PADDING] for i in range(columns + 1)]
        below = [pixels[j * (height + PADDING) :][:PADDING] for j in range(rows + 1)]
        if not any(line.any() for line in [*between, *below]):
            found.append(Layout(columns, rows, width, height))
    return next((each for each in found if each.width == each.height), found[0] if found else None)


def cut(grid: Image, at: Layout) -> Array:
    """The pictures: uint8 rows×columns×H×W×C."""
    pixels = np.asarray(grid).reshape(grid.height, grid.width, -1)[PADDING:, PADDING:]
    step_y, step_x = at.height + PADDING, at.width + PADDING
    pixels = np.pad(pixels, ((0, PADDING), (0, PADDING), (0, 0)))[: at.rows * step_y, : at.columns * step_x]
    shape = (at.rows, step_y, at.columns, step_x, pixels.shape[2])
    return pixels.reshape(shape).transpose(0, 2, 1, 3, 4)[:, :, : at.height, : at.width]


def nearest(tiles: Array) -> float:
    """How far the typical one of ``tiles`` (N×H×W×C) is from the one most like it: RMS of pixel differences."""
    if len(tiles) < 2:
        return math.nan
    distances = _distances(tiles)
    np.fill_diagonal(distances, np.inf)
    return float(np.median(distances.min(axis=1)))


def kinds(tiles: Array, reals: Array) -> int:
    """How many different pictures ``tiles`` are, if those that are far nearer than reals ever are count as one."""
    same = _distances(tiles) < SAME * nearest(reals)
    left, count = set(range(len(tiles))), 0
    while left:  # the pictures that are linked by sameness, one lot after the other
        lot = {left.pop()}
        while lot:
            lot = {int(j) for i in lot for j in np.flatnonzero(same[i]) if j in left}
            left -= lot
        count += 1
    return count


def blank(tiles: Array) -> bool:
    """Whether there is nothing to see on any of ``tiles``: each is nearly one color."""
    return bool(tiles.reshape(len(tiles), -1).std(axis=1).max() < 2.0)


def _distances(tiles: Array) -> Array:
    """RMS differences N×N, of at most MOST pictures, halved in size first so that speckle does not count."""
    x = tiles[:MOST].astype(np.float32)
    if min(x.shape[1:3]) >= 16:
        h, w = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
        x = x[:, :h, :w].reshape(len(x), h // 2, 2, w // 2, 2, -1).mean(axis=(2, 4))
    x = x.reshape(len(x), -1)
    squares = (x * x).mean(axis=1)
    return np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * (x @ x.T) / x.shape[1], 0))
