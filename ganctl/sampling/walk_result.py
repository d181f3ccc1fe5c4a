"""The result of a latent walk: rows of samples with their latents, as an image or as frames."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from ganctl.data.pixels import UINT8, PixelFormat
from ganctl.rendering import grid, labeled_grid

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

FRAME_SIZE = 256  # minimum height and width in pixels of a frame with a single row


class Row(NamedTuple):
    """A row of samples.

    Attributes:
        name: name of the row; may be empty.
        captions: a caption for each sample; may be empty.
        values: the value of the dimension for each sample. On a path: the position, where 0 is the first point, 1 the
            second point, and so on.
        z: latents, float32 N×dim.
        y: classes, int64 N, or None.
        x: samples, float32 N×C×H×W in [−1, 1].
    """

    name: str
    captions: tuple[str, ...]
    values: tuple[float, ...]
    z: Tensor
    y: Tensor | None
    x: Tensor


@dataclass(frozen=True, eq=False)
class Walk:
    """The result of :meth:`ganctl.Sampler.traverse` and :meth:`ganctl.Sampler.interpolate`. A notebook displays it.

    Attributes:
        rows: the rows, each with ``name``, ``captions``, ``values``, ``z``, ``y`` and ``x``.
        pixels: dtype and range of the dataset, which arrays in files have.
    """

    rows: tuple[Row, ...]
    pixels: PixelFormat = UINT8

    @property
    def x(self) -> Tensor:
        """All samples, row by row, as from :meth:`ganctl.Sampler.sample`: float32 N×C×H×W in [−1, 1]."""
        return torch.cat([row.x for row in self.rows])

    @property
    def z(self) -> Tensor:
        """All latents: float32 N×dim."""
        return torch.cat([row.z for row in self.rows])

    @property
    def y(self) -> Tensor | None:
        """All classes: int64 N, or None."""
        found = [row.y for row in self.rows if row.y is not None]
        return torch.cat(found) if found else None

    def image(self, *, labels: bool = True, scale: int | None = None) -> Image:
        """Return an image with one line of samples per row.

        Args:
            labels: add the names of the rows and the captions of the samples.
            scale: factor by which samples are enlarged. Default: large enough for legible labels, or 1 without labels.
        """
        lines = [labeled_grid.Line(row.name, row.captions, grid.to_uint8(row.x)) for row in self.rows]
        return labeled_grid.draw(lines, labels=labels, scale=scale)

    def frames(self, *, scale: int | None = None) -> list[np.ndarray[Any, Any]]:
        """Return the frames of an animation, each with one sample of every row: uint8 H×W×3, or H×W×1 if gray.

        Args:
            scale: factor by which samples are enlarged. Default: large enough for a clear view.
        """
        import numpy as np

        height, width = self.rows[0].x.shape[2:]
        single = len(self.rows) == 1
        size = FRAME_SIZE if single else labeled_grid.LEGIBLE
        scale = scale or labeled_grid.enlargement(height, width, size)
        frames = []
        for samples in zip(*(grid.to_uint8(row.x) for row in self.rows), strict=True):
            image = grid.to_pil(samples[0]) if single else grid.grid(torch.stack(samples))
            array = np.asarray(labeled_grid.enlarged(image, scale))
            frames.append(array[..., None] if array.ndim == 2 else array)
        return frames

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.image().save(buffer, format="PNG")
        return buffer.getvalue()
