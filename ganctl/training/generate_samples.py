"""Draw latents that depend only on a seed, and apply G to them in batches."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ganctl.latent import Latent
from ganctl.training.network_calls import GeneratorCall

LATENT_BLOCK = (
    64  # latents are drawn in whole blocks, so that the first 25 do not depend on how many are drawn
)


def generate(
    G: GeneratorCall, z: Tensor, y: Tensor | None, batch_size: int, c: Tensor | None = None
) -> Iterator[Tensor]:
    """Yield G(z, y, c) in batches: float32 in [−1, 1], on the device of G. ``c`` may be on the CPU.

    Values outside this range, which an unbounded generator may have, are clipped.
    """
    for start in range(0, len(z), batch_size):
        part = slice(start, start + batch_size)
        x = G(z[part], None if y is None else y[part], None if c is None else c[part].to(z.device))
        yield x.clamp(-1, 1)


def rows_of_classes(z: Tensor, classes: list[int]) -> tuple[Tensor, Tensor]:
    """Return z and y of a grid with one row per class, with the same latents in each row."""
    return z.repeat(len(classes), 1), torch.tensor(classes).repeat_interleave(len(z))


def draw_latents(latent: Latent, n: int, *, seed: int, truncation: float | None = None) -> Tensor:
    """Return the first ``n`` latents of ``seed``: float32 n×dim on the CPU, equal on every machine."""
    generator = torch.Generator().manual_seed(seed)
    blocks = range(0, n, LATENT_BLOCK)
    if truncation is None:
        return torch.cat([latent.sample(LATENT_BLOCK, "cpu", generator) for _ in blocks])[:n]
    return torch.cat([latent.sample_truncated(LATENT_BLOCK, truncation, generator) for _ in blocks])[:n]
