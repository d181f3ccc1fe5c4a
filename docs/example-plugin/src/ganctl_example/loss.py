"""A loss: the equations of the D step and the G step."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ganctl import USAGE, Batch, Critic, GanctlError, Loss, logits


class Logistic(Loss):
    """Non-saturating loss (Goodfellow et al. 2014, arXiv:1406.2661) with a weight w for the fakes in the D step.

    D minimizes −E log D(x) − w·E log(1 − D(G(z))), G minimizes −E log D(G(z)). The mean probabilities are reported.

    Args:
        fake_weight: w. Values below 1 reduce the influence of fakes on D.
    """

    fake_weight: Tensor

    def __init__(self, fake_weight: float = 1.0) -> None:
        super().__init__()
        if not fake_weight > 0:
            raise GanctlError(
                f"fake_weight is {fake_weight}: it must be above 0.",
                "Use 1 for the original cross-entropy.",
                status=USAGE,
            )
        # A buffer is moved to the device and stored in checkpoints, and a schedule can change it.
        self.register_buffer("fake_weight", torch.tensor(fake_weight, dtype=torch.float32))

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, on_fake = logits(D, real), logits(D, fake)
        loss = softplus(-on_real).mean() + self.fake_weight * softplus(on_fake).mean()
        return loss, {"D(x)": on_real.sigmoid().mean(), "D(G(z))": on_fake.sigmoid().mean()}

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return softplus(-logits(D, fake)).mean(), {}
