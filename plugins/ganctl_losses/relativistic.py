"""Relativistic losses: D estimates how much more realistic a real image is than a fake.

d is the logit of D, and softplus(−v) = −log σ(v). The loss of G also needs real images.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ganctl import Batch, Critic, Loss, batchwise, logits, penalties
from ganctl_losses.option_ranges import at_least


class Relativistic(Loss):
    """Jolicoeur-Martineau 2018 (arXiv:1807.00734), RSGAN: compare each real image with one fake.

    D minimizes −E log σ(d(x) − d(G(z))) and G minimizes −E log σ(d(G(z)) − d(x)). Reported values: ``D(x)``, the mean
    probability σ(d(x) − d(G(z))) that the real image is more realistic than the fake; ``D(G(z))``, 1 − ``D(x)``.
    """

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        margin = logits(D, real) - logits(D, fake)
        return softplus(-margin).mean(), _probabilities(margin)

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return softplus(logits(D, real) - logits(D, fake)).mean(), {}


class RelativisticAverage(Loss):
    """Jolicoeur-Martineau 2018 (arXiv:1807.00734), RaSGAN: compare each image with the mean of the opposite kind.

    With r = d(x) − E d(G(z)) and f = d(G(z)) − E d(x), D minimizes −E log σ(r) − E log(1 − σ(f)) and G minimizes
    −E log σ(f) − E log(1 − σ(r)). Reported values: ``D(x)`` and ``D(G(z))``, the means of σ(r) and σ(f).
    """

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        r, f = _relative_to_mean(D, real, fake)
        report = {"D(x)": r.sigmoid().mean(), "D(G(z))": f.sigmoid().mean()}
        return softplus(-r).mean() + softplus(f).mean(), report

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        r, f = _relative_to_mean(D, real, fake)
        return softplus(-f).mean() + softplus(r).mean(), {}


class R3GAN(Relativistic):
    """Huang et al. 2024 (arXiv:2501.05441), "The GAN is dead; long live the GAN!".

    D minimizes −E log σ(d(x) − d(G(z))) + γ/2·(R₁ + R₂), with R₁ = E‖∇d(x)‖² and R₂ = E‖∇d(G(z))‖²; G minimizes
    −E log σ(d(G(z)) − d(x)). Reported values: the values that ``relativistic`` reports; ``r1`` and ``r2``, without γ/2.

    Args:
        gamma: γ, weight of both penalties. The best value increases with the number of pixels. The paper decreases γ
            during training.
    """

    penalizes_gradient = True
    gamma: Tensor

    def __init__(self, gamma: float = 1.0) -> None:
        super().__init__()
        at_least(0, gamma=gamma)
        self.register_buffer("gamma", torch.tensor(gamma, dtype=torch.float32))

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, at_real = penalties.with_gradient(D, real.x, real.y, real.c)
        on_fake, at_fake = penalties.with_gradient(D, fake.x, fake.y, fake.c)
        r1, r2 = penalties.squared_norm(at_real).mean(), penalties.squared_norm(at_fake).mean()
        margin = on_real - on_fake
        loss = softplus(-margin).mean() + self.gamma / 2 * (r1 + r2)
        return loss, {**_probabilities(margin), "r1": r1, "r2": r2}


def _probabilities(margin: Tensor) -> dict[str, Tensor]:
    probability = margin.sigmoid().mean()
    return {"D(x)": probability, "D(G(z))": 1 - probability}


def _relative_to_mean(D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, Tensor]:
    on_real, on_fake = logits(D, real), logits(D, fake)
    return on_real - batchwise.mean(on_fake), on_fake - batchwise.mean(on_real)
