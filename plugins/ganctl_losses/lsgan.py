"""Least-squares loss."""

from __future__ import annotations

from torch import Tensor

from ganctl import Batch, Critic, Loss, logits


class LSGAN(Loss):
    """Mao et al. 2017 (arXiv:1611.04076), equation 2.

    D minimizes ½E(D(x) − b)² + ½E(D(G(z)) − a)² and G minimizes ½E(D(G(z)) − c)². Reported values: ``D(x)`` and
    ``D(G(z))``, the mean outputs of D, which are not probabilities. The Pearson χ² variant is a=-1, b=1, c=0.

    Args:
        a: target for fakes in the loss of D.
        b: target for reals in the loss of D.
        c: target for fakes in the loss of G.
    """

    def __init__(self, a: float = 0.0, b: float = 1.0, c: float = 1.0) -> None:
        super().__init__()
        self.a, self.b, self.c = a, b, c

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, on_fake = logits(D, real), logits(D, fake)
        loss = (on_real - self.b).square().mean() / 2 + (on_fake - self.a).square().mean() / 2
        return loss, {"D(x)": on_real.mean(), "D(G(z))": on_fake.mean()}

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return (logits(D, fake) - self.c).square().mean() / 2, {}
