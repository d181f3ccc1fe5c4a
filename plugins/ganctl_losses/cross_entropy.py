"""Losses with binary cross-entropy on logits: D(x) = σ(d(x)), where the network returns the logit d.

The losses use −log σ(d) = softplus(−d) and −log(1 − σ(d)) = softplus(d), because the logarithm of a sigmoid would
overflow.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ganctl import USAGE, Batch, Critic, GanctlError, Loss, logits, penalties
from ganctl_losses.option_ranges import at_least


class BCE(Loss):
    """Goodfellow et al. 2014 (arXiv:1406.2661), with the non-saturating objective of section 3 for G.

    D minimizes −E log D(x) − E log(1 − D(G(z))) and G minimizes −E log D(G(z)). Reported values: mean probabilities
    ``D(x)`` and ``D(G(z))``.

    Args:
        label_smoothing: amount subtracted from D's target 1 for reals (Salimans et al. 2016, section 3.4); the target
            for fakes stays 0. A common value is 0.1.

    Raises:
        GanctlError: if ``label_smoothing`` is outside [0, 1).
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise GanctlError(
                f"label_smoothing is {label_smoothing}: it must be in [0, 1).",
                "Use 0.1, a common value, or 0 to disable label smoothing.",
                status=USAGE,
            )
        self.label_smoothing = label_smoothing

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, on_fake = logits(D, real), logits(D, fake)
        # (1 − s)·softplus(−d) + s·softplus(d), with softplus(d) = d + softplus(−d).
        loss_real = softplus(-on_real) + self.label_smoothing * on_real
        return loss_real.mean() + softplus(on_fake).mean(), probabilities(on_real, on_fake)

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return softplus(-logits(D, fake)).mean(), {}


class Minimax(BCE):
    """Goodfellow et al. 2014 (arXiv:1406.2661), equation 1.

    The loss of D is that of ``bce``. G minimizes E log(1 − D(G(z))), whose gradient vanishes while D recognizes the
    fakes with high confidence.

    Args:
        label_smoothing: amount subtracted from D's target 1 for reals; the target for fakes stays 0.
    """

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return -softplus(logits(D, fake)).mean(), {}


class BoundarySeeking(BCE):
    """Hjelm et al. 2018 (arXiv:1702.08431), for continuous data: G is trained toward D(G(z)) = ½.

    The loss of D is that of ``bce``. G minimizes ½E(log D(G(z)) − log(1 − D(G(z))))², which equals ½E d(G(z))² of the
    logit d.

    Args:
        label_smoothing: amount subtracted from D's target 1 for reals; the target for fakes stays 0.
    """

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return logits(D, fake).square().mean() / 2, {}


class DRAGAN(Loss):
    """Kodali et al. 2017 (arXiv:1705.07215): binary cross-entropy with a gradient penalty around reals.

    D minimizes −E log D(x) − E log(1 − D(G(z))) + λ·E(‖∇d(x + δ)‖ − 1)² of the logit d, with Gaussian noise δ;
    G minimizes −E log D(G(z)). Reported values: mean probabilities ``D(x)`` and ``D(G(z))``; ``penalty``, without λ.

    Args:
        gp_weight: λ, weight of the gradient penalty.
        noise: standard deviation of δ relative to the standard deviation of the batch.
    """

    penalizes_gradient = True
    gp_weight: Tensor
    noise: Tensor

    def __init__(self, gp_weight: float = 10.0, noise: float = 0.5) -> None:
        super().__init__()
        at_least(0, gp_weight=gp_weight, noise=noise)
        self.register_buffer("gp_weight", torch.tensor(gp_weight, dtype=torch.float32))
        self.register_buffer("noise", torch.tensor(noise, dtype=torch.float32))

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, on_fake = logits(D, real), logits(D, fake)
        penalty = penalties.one_centered(D, penalties.around(real.x, self.noise), real.y, real.c)
        loss = softplus(-on_real).mean() + softplus(on_fake).mean() + self.gp_weight * penalty
        return loss, {**probabilities(on_real, on_fake), "penalty": penalty}

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return softplus(-logits(D, fake)).mean(), {}


def probabilities(on_real: Tensor, on_fake: Tensor) -> dict[str, Tensor]:
    """Return the mean probabilities to report, from logits."""
    return {"D(x)": on_real.sigmoid().mean(), "D(G(z))": on_fake.sigmoid().mean()}
