"""What the page asks for: about the model, latents of a seed, pictures of latents."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from ganctl.errors import USAGE, GanctlError
from ganctl.latent import Codes, Normal
from ganctl.rendering import grid, labeled_grid
from ganctl.sampling import latent_files
from ganctl.sampling.dimensions import Progress, rank_dimensions
from ganctl.sampling.sampler import Sampler

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")
MOST = 64  # pictures at once
SAVED = 512  # a picture that is saved has at least so many pixels on its shorter side


class Explorer:
    """A sampler for many threads: one of its own does all the drawing, one picture after the other.

    Args:
        name: what the files that are saved are called.
        advance: called with the number of dimensions looked at, as the most telling are looked for.
    """

    def __init__(self, sampler: Sampler, name: str, advance: Progress = lambda n: None) -> None:
        self.sampler, self.name = sampler, name
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="draw"
        )  # torch keeps threads for each that asks
        self._told = rank_dimensions(sampler, advance=advance)  # not in that thread, so that Ctrl-C ends it

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _do(self, work: Callable[[], T]) -> T:
        return self._thread.submit(work).result()

    def model(self) -> dict[str, Any]:
        """All that the page must know about the model, as JSON has it; dimensions with the most telling first."""
        sampler, latent = self.sampler, self.sampler.latent
        classes = None
        if sampler.conditional:
            classes = [sampler.class_name(i) for i in range(sampler.num_classes)]
        return {
            "name": self.name,
            "model": sampler.config.model,
            "data": sampler.config.data.name,
            "step": sampler.step,
            "image": list(sampler.image),
            "dim": latent.dim,
            "curved": _curved(sampler),
            "truncation": isinstance(latent, (Normal, Codes)),
            "classes": classes,
            "most": MOST,
            "dimensions": [
                {"name": d.name, "start": d.start, "size": d.size, "span": d.span, "change": change}
                for d, change in self._told
            ],
        }

    def latents(self, n: int, seed: int, truncation: float | None) -> bytes:
        """The first ``n`` latents of ``seed``: float32, little-endian, one after the other."""
        if not 1 <= n <= MOST:
            raise GanctlError(
                f"{n} pictures cannot be drawn at once.", f"From 1 to {MOST} can.", status=USAGE
            )
        if not 0 <= seed < 2**32:
            raise GanctlError(f"The seed {seed} is not from 0 to {2**32 - 1}.", status=USAGE)
        z = self._do(lambda: self.sampler.latents(n, seed=seed, truncation=truncation))
        return z.numpy().astype("<f4").tobytes()

    def picture(self, body: bytes, classes: str) -> bytes:
        """The pictures of the latents in ``body``, as :meth:`latents` writes them, side by side, quick to be shown.

        Args:
            classes: the class of each, with commas between; or nothing.

        Returns:
            Width and height, each a little-endian uint32, then red, green, blue and 255 for each pixel. A browser has
            that on the screen in a fraction of the time that it takes for a PNG.
        """
        image = self._draw(body, classes)
        return struct.pack("<II", image.width, image.height) + image.convert("RGBA").tobytes()

    def png(self, body: bytes, classes: str) -> bytes:
        """The same as a PNG to be kept, enlarged to be looked at."""
        image = self._draw(body, classes)
        image = labeled_grid.enlarged(image, labeled_grid.enlargement(image.height, image.width, SAVED))
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        return buffer.getvalue()

    def _draw(self, body: bytes, classes: str) -> Image:
        z, y = self._read(body, classes)
        x = grid.to_uint8(self._do(lambda: torch.cat(list(self.sampler.generate(z, y)))))
        return grid.grid(x) if len(x) > 1 else grid.to_pil(x[0])

    def archive(self, body: bytes, classes: str) -> bytes:
        """The latents in ``body`` and their classes as a file for ``ganctl sample --latents``."""
        z, y = self._read(body, classes)
        if y is None and self.sampler.conditional:
            y = self.sampler.classes_in_turn(len(z))
        return latent_files.to_npz(z, y)

    def _read(self, body: bytes, classes: str) -> tuple[Tensor, Tensor | None]:
        dim = self.sampler.latent.dim
        if not body or len(body) % (4 * dim) or len(body) > MOST * 4 * dim:
            raise GanctlError(
                f"{len(body)} bytes are no latents.", f"Each of 1 to {MOST} takes {4 * dim}.", status=USAGE
            )
        z = torch.from_numpy(np.frombuffer(body, "<f4").astype(np.float32)).view(-1, dim)
        if not all(map(math.isfinite, z.flatten().tolist())):
            raise GanctlError("A latent is not finite.", status=USAGE)
        if not classes or not self.sampler.conditional:
            return z, None
        numbers = classes.split(",")
        known = range(self.sampler.num_classes)
        if len(numbers) != len(z) or any(not n.isdecimal() or int(n) not in known for n in numbers):
            raise GanctlError(f"'{classes}' are no classes of {len(z)} latents.", status=USAGE)
        return z, torch.tensor([int(n) for n in numbers])


def _curved(sampler: Sampler) -> int:
    """How many numbers of z, from its beginning, go along a great circle between two latents."""
    latent = sampler.latent
    return latent.noise if isinstance(latent, Codes) else latent.dim if isinstance(latent, Normal) else 0
