"""A loss: the equations of both turns, and nothing else."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ganctl import USAGE, Batch, Critic, GanctlError, Loss, logits


class Logistic(Loss):
    """Goodfellow et al. 2014 (arXiv:1406.2661), with a weight w for what D says of fakes.

    D minimizes −E log D(x) − w·E log(1 − D(G(z))), G minimizes −E log D(G(z)). Reported: mean probabilities.

    Args:
        fake_weight: w; below 1 D is milder with fakes.
    """

    fake_weight: Tensor

    def __init__(self, fake_weight: float = 1.0) -> None:
        super().__init__()
        if not fake_weight > 0:
            raise GanctlError(
                f"fake_weight is {fake_weight}: it must be above 0.",
                "1 is cross-entropy as usual.",
                status=USAGE,
            )
        # A buffer is moved to the device, is kept in checkpoints, and can follow a schedule.
        self.register_buffer("fake_weight", torch.tensor(fake_weight, dtype=torch.float32))

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, on_fake = logits(D, real), logits(D, fake)
        loss = softplus(-on_real).mean() + self.fake_weight * softplus(on_fake).mean()
        return loss, {"D(x)": on_real.sigmoid().mean(), "D(G(z))": on_fake.sigmoid().mean()}

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return softplus(-logits(D, fake)).mean(), {}
