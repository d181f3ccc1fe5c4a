"""Grids of images, and PNG files."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganctl.system.files import write_atomically

if TYPE_CHECKING:
    from PIL.Image import Image

PADDING = 2  # pixels between the images of a grid


def to_uint8(x: Tensor) -> Tensor:
    """Convert images in [−1, 1] to uint8 images of the same shape in [0, 255], on the CPU."""
    return x.detach().float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).cpu()


def to_pil(x: Tensor) -> Image:
    """Convert a uint8 C×H×W image to a PIL image, for viewing.

    A single channel is converted to gray. If there are two channels, only the first is converted. If there are three
    or more, the first three are converted to red, green and blue.
    """
    from PIL import Image

    if is_shown_in_color(x.shape[0]):
        return Image.fromarray(x[:3].permute(1, 2, 0).contiguous().numpy())
    return Image.fromarray(x[0].contiguous().numpy())


def is_shown_in_color(channels: int) -> bool:
    """Return True if :func:`to_pil` converts images with ``channels`` channels to color."""
    return channels >= 3


def enlarge(x: Tensor, scale: int) -> Tensor:
    """Enlarge N×C×H×W images without interpolation. Each pixel becomes ``scale``×``scale`` pixels."""
    return x if scale == 1 else x.repeat_interleave(scale, 2).repeat_interleave(scale, 3)


def grid(x: Tensor, nrow: int | None = None) -> Image:
    """Arrange uint8 N×C×H×W images in a grid with ``nrow`` images per row. By default, the grid is nearly square."""
    n, channels, height, width = x.shape
    columns = min(nrow or math.ceil(math.sqrt(n)), n)
    rows = math.ceil(n / columns)
    canvas = torch.zeros(
        channels,
        rows * (height + PADDING) + PADDING,
        columns * (width + PADDING) + PADDING,
        dtype=torch.uint8,
    )
    for i, image in enumerate(x):
        top, left = PADDING + (i // columns) * (height + PADDING), PADDING + (i % columns) * (width + PADDING)
        canvas[:, top : top + height, left : left + width] = image
    return to_pil(canvas)


def save_png(image: Image, path: Path, *, comment: str = "") -> None:
    """Write a PNG file atomically, with ``comment`` as embedded text."""
    write_atomically(path, png(image, comment=comment))


def png(image: Image, *, comment: str = "") -> bytes:
    """Return the content of a PNG file, with ``comment`` as embedded text."""
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    if comment:
        text.add_text("Comment", comment)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=text)
    return buffer.getvalue()
