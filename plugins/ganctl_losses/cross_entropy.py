"""Binary cross-entropy on logits: D(x) = σ(d(x)), where the network returns the logit d.

Written with softplus, since −log σ(d) = softplus(−d) and −log(1 − σ(d)) = softplus(d) hold for any d, where
the logarithm of a sigmoid overflows.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from ganctl import USAGE, Batch, Critic, GanctlError, Loss
from ganctl_losses.precision import full


class BCE(Loss):
    """Goodfellow et al. 2014 (arXiv:1406.2661), with the G objective of its section 3.

    D minimises −E log D(x) − E log(1 − D(G(z))), G minimises −E log D(G(z)). ``D(x)`` and ``D(G(z))`` are
    reported as mean probabilities.

    Args:
        label_smoothing: D's target for reals is 1 less this; fakes keep theirs of 0 (Salimans et al. 2016,
            section 3.4). 0.1 is usual.

    Raises:
        GanctlError: ``label_smoothing`` outside [0, 1).
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise GanctlError(
                f"label_smoothing is {label_smoothing}: it must be at least 0 and below 1.",
                "Usual is 0.1; 0 turns it off.",
                status=USAGE,
            )
        self.label_smoothing = label_smoothing

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, on_fake = full(D(real.x, real.y)), full(D(fake.x, fake.y))
        # (1 − s)·softplus(−d) + s·softplus(d), with softplus(d) = d + softplus(−d).
        loss_real = softplus(-on_real) + self.label_smoothing * on_real
        loss = loss_real.mean() + softplus(on_fake).mean()
        return loss, {"D(x)": on_real.sigmoid().mean(), "D(G(z))": on_fake.sigmoid().mean()}

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return softplus(-full(D(fake.x, fake.y))).mean(), {}


class Minimax(BCE):
    """Goodfellow et al. 2014 (arXiv:1406.2661), equation 1, played as written.

    D as in ``bce``; G minimises E log(1 − D(G(z))), whose gradient vanishes while D is sure of the fakes.

    Args:
        label_smoothing: D's target for reals is 1 less this; fakes keep theirs of 0.
    """

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return -softplus(full(D(fake.x, fake.y))).mean(), {}
