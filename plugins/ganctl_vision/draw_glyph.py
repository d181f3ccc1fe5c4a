"""Draw a digit with a random shift, rotation, slant, size, stroke width and bend.

Decode workers import this module, so it must not import torch.
"""

from __future__ import annotations

import math
import random
from functools import cache

from PIL import Image, ImageDraw, ImageFont

VERSION = 1  # Increase this number if the same seed and index produce a different image.
SIDE = 28
SCALE = 4  # supersampling factor for antialiasing
CANVAS = SIDE * SCALE
CELL = CANVAS // 4  # the bend is nearly linear within a cell


def draw(name: str, seed: int) -> Image.Image:
    """Draw the glyph with index ``name`` (as text): the digit index mod 10, white on black, mode L, 28×28.

    The random numbers depend only on ``seed`` and the index. The result therefore does not depend on the drawing order
    or the number of workers, and a smaller dataset is a prefix of a larger dataset.
    """
    rng = random.Random(f"{seed}/{name}")

    def uniform(low: float, high: float) -> float:
        # Only random() returns the same numbers in every version of Python.
        return low + (high - low) * rng.random()

    weight = int(uniform(0, 6))
    angle = math.radians(uniform(-12, 12))
    slant = uniform(-0.12, 0.3)  # mostly to the right, as in handwriting
    width, height = uniform(0.8, 1.15), uniform(0.88, 1.05)
    across, down = uniform(-1.5, 1.5) * SCALE, uniform(-1.5, 1.5) * SCALE
    bends = [(uniform(-3, 3) * SCALE / 2, uniform(0, math.tau)) for _ in range(2)]
    cos, sin, middle = math.cos(angle), math.sin(angle), CANVAS / 2

    def source(u: float, v: float) -> tuple[float, float]:
        """Return the point of the upright digit that is mapped to (u, v)."""
        u, v = u - middle - across, v - middle - down
        u, v = cos * u + sin * v, cos * v - sin * u
        u, v = (u + slant * v) / width, v / height
        (by_row, row), (by_column, column) = bends
        return (
            middle + u + by_row * math.sin(math.tau * v / CANVAS + row),
            middle + v + by_column * math.sin(math.tau * u / CANVAS + column),
        )

    mesh = []
    for left in range(0, CANVAS, CELL):
        for top in range(0, CANVAS, CELL):
            right, bottom = left + CELL, top + CELL
            corners = (source(left, top), source(left, bottom), source(right, bottom), source(right, top))
            mesh.append(((left, top, right, bottom), tuple(value for corner in corners for value in corner)))
    upright = _upright(int(name) % 10, weight)
    glyph = upright.transform(upright.size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)
    return glyph.reduce(SCALE)


@cache
def _upright(digit: int, weight: int) -> Image.Image:
    """Draw the digit in Pillow's default font at the center of the canvas, with strokes thickened by ``weight``."""
    font = ImageFont.load_default(size=CANVAS)
    image = Image.new("L", (CANVAS, CANVAS))
    pen = ImageDraw.Draw(image)
    left, top, right, bottom = pen.textbbox((0, 0), str(digit), font=font, stroke_width=weight)
    at = ((CANVAS - left - right) / 2, (CANVAS - top - bottom) / 2)
    pen.text(at, str(digit), fill=255, font=font, stroke_width=weight, stroke_fill=255)
    return image
