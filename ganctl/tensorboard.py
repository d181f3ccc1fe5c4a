"""TensorBoard scalars and pictures. What it cannot write never stops a training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


class TensorBoard:
    """Event files in ``folder``. Whatever an earlier session wrote from ``first_step`` on is void."""

    def __init__(self, folder: Path, *, first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=first_step)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, image: Image) -> None:
        import numpy as np

        pixels = np.asarray(image)
        self._writer.add_image(name, pixels, step, dataformats="HWC" if pixels.ndim == 3 else "HW")

    def close(self) -> None:
        self._writer.close()
