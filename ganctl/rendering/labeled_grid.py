"""Rows of pictures with names beside them and captions above them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from ganctl.rendering import grid as pictures

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

LEGIBLE = 64  # a picture of the sheet is enlarged until its shorter side has so many pixels
PAPER, INK = "white", "#333333"
FONT_SIZE = 13
GAP = 6  # pixels between text and pictures


class Line(NamedTuple):
    """A row of the sheet: its name, a caption for each picture (or ""), and uint8 N×C×H×W pictures."""

    name: str
    captions: tuple[str, ...]
    pictures: Tensor


def draw(lines: Sequence[Line], *, labels: bool = True, scale: int | None = None) -> Image:
    """The lines one below the other, as one picture; lines may be of unlike lengths.

    Args:
        labels: with names at the left, and captions above every line whose captions are not those of the line above.
        scale: how many pixels wide and high each pixel of a picture becomes; by default so many that text beside it
            can be read, and with ``labels=False`` one.
    """
    from PIL import Image, ImageDraw

    height, width = lines[0].pictures.shape[2:]
    scale = scale or (enlargement(height, width) if labels else 1)
    font = _font()
    pad = pictures.PADDING
    cell = (width * scale + pad, height * scale + pad)
    left = max((round(font.getlength(line.name)) for line in lines), default=0) if labels else 0
    left += 2 * GAP if left else 0
    caption_height = FONT_SIZE + GAP
    columns = max(len(line.pictures) for line in lines)

    # Where each line begins: below its captions, if they are not the same as above.
    tops, captioned, top = [], [], GAP if labels else 0
    for i, line in enumerate(lines):
        fresh = labels and any(line.captions) and (i == 0 or line.captions != lines[i - 1].captions)
        top += caption_height + (GAP if fresh and i else 0) if fresh else 0
        captioned.append(fresh)
        tops.append(top)
        top += cell[1]
    mode = "RGB" if lines[0].pictures.shape[1] == 3 else "L"
    margin = GAP if labels else 0  # at the right and the bottom
    size = (left + columns * cell[0] + pad + margin, top + pad + margin)
    sheet = Image.new(mode, size, PAPER if labels else "black")
    pen = ImageDraw.Draw(sheet)
    for line, top, fresh in zip(lines, tops, captioned, strict=True):
        for column, picture in enumerate(line.pictures):
            x = left + pad + column * cell[0]
            sheet.paste(enlarged(pictures.to_pil(picture), scale), (x, top + pad))
            if fresh and line.captions[column]:
                text = line.captions[column]
                centre = x + width * scale / 2
                half = font.getlength(text) / 2
                centre = min(max(centre, half + 1), size[0] - half - 1)
                pen.text((centre, top - GAP / 2), text, INK, font=font, anchor="ms")
        if left:
            middle = top + pad + height * scale / 2
            pen.text((left - GAP, middle), line.name, INK, font=font, anchor="rm")
    return sheet


def enlargement(height: int, width: int, legible: int = LEGIBLE) -> int:
    """How many times pictures of this size are enlarged, so that their shorter side has ``legible`` pixels."""
    return max(1, -(-legible // min(height, width)))


def enlarged(picture: Image, scale: int) -> Image:
    """``picture`` with every pixel ``scale`` wide and high."""
    from PIL import Image

    if scale == 1:
        return picture
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def _font() -> FreeTypeFont:
    from PIL import ImageFont

    font = ImageFont.load_default(FONT_SIZE)
    assert isinstance(font, ImageFont.FreeTypeFont)  # it is, where a size is given
    return font
