"""Diversity of G's samples."""

from __future__ import annotations

from torch import Tensor

from ganctl import Batch, Critic, Generator, Latent, Regularizer, batchwise
from ganctl_regularizers.scalar_options import register_weights


class Diversity(Regularizer):
    """Mao et al. 2019 (arXiv:1903.05628), mode seeking: λ·1/(E|G(z₁) − G(z₂)| / E|z₁ − z₂| + ε), added to G's loss.

    z₁ and z₂ are independent, with the same label and condition. The means are over all values of the batch. Reported
    value: ``diversity``, the ratio, which decreases if G ignores z.

    Args:
        weight: λ, weight of the term.
    """

    weight: Tensor

    def __init__(self, latent: Latent, weight: float = 1.0) -> None:
        super().__init__()
        self.latent = latent
        register_weights(self, weight=weight)

    def generator_term(
        self, D: Critic, real: Batch, fake: Batch, G: Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        assert fake.z is not None
        other = self.latent.sample(len(fake.z), fake.z.device)
        distance = batchwise.mean((G(other, fake.y, fake.c) - fake.x).abs().flatten(1).mean(1))
        ratio = distance / batchwise.mean((other - fake.z).abs().mean(1)).clamp_min(1e-8)
        return self.weight / (ratio + 1e-5), {"diversity": ratio}
