"""Rows of images with names on the left and captions above."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from ganctl.rendering.grid import PADDING, is_shown_in_color, to_pil

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

LEGIBLE = 64  # pixels; images are enlarged until their shorter sides are at least this long
PAPER, INK = "white", "#333333"
FONT_SIZE = 13
GAP = 6  # pixels between text and images


class Line(NamedTuple):
    """A row of images.

    Attributes:
        name: text to the left of the images.
        captions: one caption per image. Captions may be empty.
        images: uint8 tensor, N×C×H×W.
    """

    name: str
    captions: tuple[str, ...]
    images: Tensor


def draw(lines: Sequence[Line], *, labels: bool = True, scale: int | None = None) -> Image:
    """Draw lines below each other. Lines may have different lengths.

    Args:
        labels: if True, draw names on the left, and captions above each line whose captions differ from those of the
            previous line.
        scale: integer magnification of the images. The default is large enough for legible labels, or 1 with
            ``labels=False``.
    """
    from PIL import Image, ImageDraw

    height, width = lines[0].images.shape[2:]
    scale = scale or (enlargement(height, width) if labels else 1)
    font = _font()
    cell = (width * scale + PADDING, height * scale + PADDING)
    left = max((round(font.getlength(line.name)) for line in lines), default=0) if labels else 0
    left += 2 * GAP if left else 0
    caption_height = FONT_SIZE + GAP
    columns = max(len(line.images) for line in lines)

    # Compute the top of each line. Captions are drawn only if they differ from the previous line's captions.
    tops, has_captions, top = [], [], GAP if labels else 0
    for i, line in enumerate(lines):
        draw_captions = labels and any(line.captions) and (i == 0 or line.captions != lines[i - 1].captions)
        top += caption_height + (GAP if draw_captions and i else 0) if draw_captions else 0
        has_captions.append(draw_captions)
        tops.append(top)
        top += cell[1]
    mode = "RGB" if is_shown_in_color(lines[0].images.shape[1]) else "L"
    margin = GAP if labels else 0  # margin on the right and at the bottom
    size = (left + columns * cell[0] + PADDING + margin, top + PADDING + margin)
    canvas = Image.new(mode, size, PAPER if labels else "black")
    pen = ImageDraw.Draw(canvas)
    for line, top, draw_captions in zip(lines, tops, has_captions, strict=True):
        for column, image in enumerate(line.images):
            x = left + PADDING + column * cell[0]
            canvas.paste(enlarged(to_pil(image), scale), (x, top + PADDING))
            if draw_captions and line.captions[column]:
                text = line.captions[column]
                half = font.getlength(text) / 2
                center = min(max(x + width * scale / 2, half + 1), size[0] - half - 1)
                pen.text((center, top - GAP / 2), text, INK, font=font, anchor="ms")
        if left:
            middle = top + PADDING + height * scale / 2
            pen.text((left - GAP, middle), line.name, INK, font=font, anchor="rm")
    return canvas


def enlargement(height: int, width: int, legible: int = LEGIBLE) -> int:
    """Return the smallest factor that enlarges the shorter side of an image to at least ``legible`` pixels."""
    return max(1, -(-legible // min(height, width)))


def enlarged(image: Image, scale: int) -> Image:
    """Return ``image`` with every pixel enlarged to ``scale``×``scale`` pixels."""
    from PIL import Image as Images

    if scale == 1:
        return image
    return image.resize((image.width * scale, image.height * scale), Images.Resampling.NEAREST)


def _font() -> FreeTypeFont:
    from PIL import ImageFont

    font = ImageFont.load_default(FONT_SIZE)
    assert isinstance(font, ImageFont.FreeTypeFont)  # always, if a size is given
    return font
