"""Hinge loss."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import relu

from ganctl import Batch, Critic, Loss, logits


class Hinge(Loss):
    """Lim & Ye 2017, "Geometric GAN" (arXiv:1705.02894).

    D minimizes E max(0, 1 − D(x)) + E max(0, 1 + D(G(z))) and G minimizes −E D(G(z)). Reported values: ``D(x)``
    and ``D(G(z))``, the mean outputs of D, which are not probabilities.
    """

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, on_fake = logits(D, real), logits(D, fake)
        loss = relu(1 - on_real).mean() + relu(1 + on_fake).mean()
        return loss, {"D(x)": on_real.mean(), "D(G(z))": on_fake.mean()}

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return -logits(D, fake).mean(), {}
