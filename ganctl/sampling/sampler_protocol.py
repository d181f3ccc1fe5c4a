"""The part of :class:`ganctl.Sampler` that latent walks use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor

from ganctl.data.pixels import PixelFormat
from ganctl.latent import Latent


class LatentSampler(Protocol):
    """A generator with its latent distribution. See :class:`ganctl.Sampler` for the attributes and methods."""

    latent: Latent
    conditional: bool
    num_classes: int
    pixels: PixelFormat

    def latents(self, n: int, *, seed: int = 0, truncation: float | None = None) -> Tensor: ...
    def generate(
        self, z: Tensor, y: Tensor | None = None, *, c: Tensor | None = None, batch_size: int = 64
    ) -> Iterator[Tensor]: ...
    def conditions_in_turn(self, n: int, c: Tensor | None = None) -> Tensor | None: ...
    def with_code(self, z: Tensor, code: str) -> Tensor: ...
    def class_number(self, name: str) -> int: ...
    def class_name(self, number: int) -> str: ...
