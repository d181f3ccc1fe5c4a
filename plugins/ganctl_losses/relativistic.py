"""Relativistic losses: D says how much more real a real image is than a fake, not whether it is real.

d is D's logit and softplus(−v) = −log σ(v). G's loss needs real images too.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ganctl import Batch, Critic, Loss, logits, penalties
from ganctl_losses.checks import at_least


class Relativistic(Loss):
    """Jolicoeur-Martineau 2018 (arXiv:1807.00734), RSGAN: each real image against one fake.

    D minimizes −E log σ(d(x) − d(G(z))), G minimizes −E log σ(d(G(z)) − d(x)). ``D(x)`` is reported as the mean
    probability σ(d(x) − d(G(z))) that the real one is more real, ``D(G(z))`` as the rest to 1.
    """

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        lead = logits(D, real) - logits(D, fake)
        return softplus(-lead).mean(), _report(lead)

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return softplus(logits(D, real) - logits(D, fake)).mean(), {}


class RelativisticAverage(Loss):
    """Jolicoeur-Martineau 2018 (arXiv:1807.00734), RaSGAN: each image against the mean of the other kind.

    With r = d(x) − E d(G(z)) and f = d(G(z)) − E d(x): D minimizes −E log σ(r) − E log(1 − σ(f)), G minimizes
    −E log σ(f) − E log(1 − σ(r)). ``D(x)`` and ``D(G(z))`` are reported as the means of σ(r) and σ(f).
    """

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        r, f = _against_the_mean(D, real, fake)
        report = {"D(x)": r.sigmoid().mean(), "D(G(z))": f.sigmoid().mean()}
        return softplus(-r).mean() + softplus(f).mean(), report

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        r, f = _against_the_mean(D, real, fake)
        return softplus(-f).mean() + softplus(r).mean(), {}


class R3GAN(Relativistic):
    """Huang et al. 2024 (arXiv:2501.05441), "The GAN is dead; long live the GAN!".

    D minimizes −E log σ(d(x) − d(G(z))) + γ/2·(R₁ + R₂), with R₁ = E‖∇d(x)‖² and R₂ = E‖∇d(G(z))‖²; G minimizes
    −E log σ(d(G(z)) − d(x)). Reported as in ``relativistic``, and ``r1`` and ``r2`` without their γ/2.

    Args:
        gamma: γ, weight of both penalties. What is right grows with the number of pixels; the paper lowers it
            during training.
    """

    penalizes_gradient = True
    gamma: Tensor

    def __init__(self, gamma: float = 1.0) -> None:
        super().__init__()
        at_least(0, gamma=gamma)
        self.register_buffer("gamma", torch.tensor(gamma, dtype=torch.float32))

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, at_real = penalties.with_gradient(D, real.x, real.y)
        on_fake, at_fake = penalties.with_gradient(D, fake.x, fake.y)
        r1, r2 = penalties.squared_norm(at_real).mean(), penalties.squared_norm(at_fake).mean()
        lead = on_real - on_fake
        loss = softplus(-lead).mean() + self.gamma / 2 * (r1 + r2)
        return loss, {**_report(lead), "r1": r1, "r2": r2}


def _report(lead: Tensor) -> dict[str, Tensor]:
    won = lead.sigmoid().mean()
    return {"D(x)": won, "D(G(z))": 1 - won}


def _against_the_mean(D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, Tensor]:
    on_real, on_fake = logits(D, real), logits(D, fake)
    return on_real - on_fake.mean(), on_fake - on_real.mean()
