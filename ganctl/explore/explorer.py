"""Compute the responses to the page's requests: facts about the model, latents for a seed, and samples for latents."""

from __future__ import annotations

import io
import json
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
from ganctl.plugin import options
from ganctl.rendering import grid, labeled_grid
from ganctl.sampling import latent_files
from ganctl.sampling.latent_dimensions import Progress, rank_dimensions
from ganctl.sampling.sampler import Sampler

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")
MAX_SAMPLES = 64  # per request
SAVED_SIZE = 512  # minimum number of pixels on the shorter side of a saved image


class Explorer:
    """A sampler that the threads of a server share. A single thread handles all requests, one after the other.

    Args:
        name: prefix of the names of saved files.
        advance: called with the number of dimensions that were just ranked, for a progress bar.
    """

    def __init__(self, sampler: Sampler, name: str, advance: Progress = lambda n: None) -> None:
        self.sampler, self.name = sampler, name
        # One thread, because torch starts a thread pool for every thread that uses it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="generate")
        # Called in this thread, so that Ctrl-C works.
        self._ranked = rank_dimensions(sampler, advance=advance)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _run(self, work: Callable[[], T]) -> T:
        return self._thread.submit(work).result()

    def model(self) -> dict[str, Any]:
        """Return the facts about the model that the page needs, as JSON-compatible values with ranked dimensions."""
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
            "spherical": _spherical_size(sampler),
            "truncation": isinstance(latent, (Normal, Codes)),
            "classes": classes,
            "options": [
                {
                    "name": o.name,
                    "type": o.type_name,
                    "value": sampler.options.get(o.name, o.default),
                    "help": o.help,
                }
                for o in options.of_sampling(sampler.G.forward)
                if o.type in (bool, int, float)
            ],
            "max_samples": MAX_SAMPLES,
            "dimensions": [
                {"name": d.name, "start": d.start, "size": d.size, "span": d.span, "change": change}
                for d, change in self._ranked
            ],
        }

    def latents(self, n: int, seed: int, truncation: float | None) -> bytes:
        """Return the first ``n`` latents of ``seed`` as consecutive little-endian float32 values."""
        if not 1 <= n <= MAX_SAMPLES:
            raise GanctlError(
                f"n is {n}; it must be from 1 to {MAX_SAMPLES}.", "Request fewer samples.", status=USAGE
            )
        if not 0 <= seed < 2**32:
            raise GanctlError(f"The seed is {seed}; it must be from 0 to {2**32 - 1}.", status=USAGE)
        z = self._run(lambda: self.sampler.latents(n, seed=seed, truncation=truncation))
        return z.numpy().astype("<f4").tobytes()

    def pixels(self, body: bytes, classes: str, given: str = "") -> bytes:
        """Generate samples and return their grid as raw pixels, which browsers display much faster than a PNG file.

        Args:
            body: latents in the format of :meth:`latents`.
            classes: class of each sample, separated by commas, or an empty string.
            given: options of the generator as a JSON object, or an empty string.

        Returns:
            Width and height as little-endian uint32, followed by four bytes for each pixel: red, green, blue and 255.
        """
        image = self._image(body, classes, given)
        return struct.pack("<II", image.width, image.height) + image.convert("RGBA").tobytes()

    def png(self, body: bytes, classes: str, given: str = "") -> bytes:
        """Return the image that :meth:`pixels` returns, as an enlarged PNG file."""
        image = self._image(body, classes, given)
        image = labeled_grid.enlarged(image, labeled_grid.enlargement(image.height, image.width, SAVED_SIZE))
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        return buffer.getvalue()

    def _image(self, body: bytes, classes: str, given: str) -> Image:
        z, y = self._read(body, classes)
        sampler = self.sampler.with_options(**_parse_options(given)) if given else self.sampler
        x = grid.to_uint8(self._run(lambda: torch.cat(list(sampler.generate(z, y)))))
        return grid.grid(x) if len(x) > 1 else grid.to_pil(x[0])

    def archive(self, body: bytes, classes: str) -> bytes:
        """Return a file for ``ganctl sample --latents`` with the latents in ``body`` and their classes."""
        z, y = self._read(body, classes)
        if y is None and self.sampler.conditional:
            y = self.sampler.classes_in_turn(len(z))
        return latent_files.to_npz(z, y)

    def _read(self, body: bytes, classes: str) -> tuple[Tensor, Tensor | None]:
        dim = self.sampler.latent.dim
        if not body or len(body) % (4 * dim) or len(body) > MAX_SAMPLES * 4 * dim:
            raise GanctlError(
                f"The request has {len(body)} bytes.",
                f"Send 1 to {MAX_SAMPLES} latents of {4 * dim} bytes.",
                status=USAGE,
            )
        z = torch.from_numpy(np.frombuffer(body, "<f4").astype(np.float32)).view(-1, dim)
        if not all(map(math.isfinite, z.flatten().tolist())):
            raise GanctlError("A latent is not finite.", status=USAGE)
        if not classes or not self.sampler.conditional:
            return z, None
        numbers = classes.split(",")
        known = range(self.sampler.num_classes)
        if len(numbers) != len(z) or any(not n.isdecimal() or int(n) not in known for n in numbers):
            raise GanctlError(
                f"'{classes}' does not contain a class for each of the {len(z)} latents.", status=USAGE
            )
        return z, torch.tensor([int(n) for n in numbers])


def _parse_options(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise GanctlError(f"The options '{text}' are not a JSON object.", status=USAGE)
    return given


def _spherical_size(sampler: Sampler) -> int:
    """Return the number of elements at the start of z that are interpolated on a great circle."""
    latent = sampler.latent
    return latent.noise if isinstance(latent, Codes) else latent.dim if isinstance(latent, Normal) else 0
