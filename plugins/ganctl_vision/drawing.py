"""One glyph: a digit under random shift, turn, slant, size, weight and bend. Torch-free: workers import this."""

from __future__ import annotations

import math
import random
from functools import cache

from PIL import Image, ImageDraw, ImageFont

VERSION = 1  # raise it when the same seed and index give another picture
SIDE = 28
SCALE = 4  # drawn so much larger, then averaged down: that is the antialiasing
CANVAS = SIDE * SCALE
CELL = CANVAS // 4  # the bend is smooth enough to be straight within a cell


def draw(name: str, seed: int) -> Image.Image:
    """Glyph ``name``, which is its index: the digit index mod 10, white on black, 28×28.

    Its random numbers come from ``seed`` and the index alone, so that any order and any number of workers
    draw the same, and a larger set begins with the smaller one.
    """
    chance = random.Random(f"{seed}/{name}")

    def between(low: float, high: float) -> float:
        # Only random() is promised to stay the same in every Python.
        return low + (high - low) * chance.random()

    weight = int(between(0, 6))
    turn = math.radians(between(-12, 12))
    slant = between(-0.12, 0.3)  # to the right mostly, as people write
    width, height = between(0.8, 1.15), between(0.88, 1.05)
    across, down = between(-1.5, 1.5) * SCALE, between(-1.5, 1.5) * SCALE
    bends = [(between(-3, 3) * SCALE / 2, between(0, math.tau)) for _ in range(2)]
    cos, sin, middle = math.cos(turn), math.sin(turn), CANVAS / 2

    def origin(u: float, v: float) -> tuple[float, float]:
        """Where in the upright digit the point (u, v) of the glyph comes from."""
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
            corners = (origin(left, top), origin(left, bottom), origin(right, bottom), origin(right, top))
            mesh.append(((left, top, right, bottom), tuple(value for corner in corners for value in corner)))
    upright = _upright(int(name) % 10, weight)
    glyph = upright.transform(upright.size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)
    return glyph.reduce(SCALE)


@cache
def _upright(digit: int, weight: int) -> Image.Image:
    """The digit in Pillow's own font in the middle of the canvas, its strokes made thicker by ``weight``."""
    font = ImageFont.load_default(size=CANVAS)
    image = Image.new("L", (CANVAS, CANVAS))
    pen = ImageDraw.Draw(image)
    left, top, right, bottom = pen.textbbox((0, 0), str(digit), font=font, stroke_width=weight)
    at = ((CANVAS - left - right) / 2, (CANVAS - top - bottom) / 2)
    pen.text(at, str(digit), fill=255, font=font, stroke_width=weight, stroke_fill=255)
    return image
