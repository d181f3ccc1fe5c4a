"""Zero-centered gradient penalties at real and at generated images."""

from __future__ import annotations

from torch import Tensor

from ganctl import Batch, Critic, Regularizer, penalties
from ganctl_regularizers.scalar_options import register_weights


class R1(Regularizer):
    """Mescheder et al. 2018 (arXiv:1801.04406), equation 9: γ/2·E‖∇d(x)‖² of the logit d, added to the loss of D.

    Reported value: ``r1``, without γ/2.

    Args:
        gamma: γ, weight of the penalty. The best value increases with the number of pixels; the paper uses 10.
    """

    penalizes_gradient = True
    gamma: Tensor

    def __init__(self, gamma: float = 10.0) -> None:
        super().__init__()
        register_weights(self, gamma=gamma)

    def discriminator_term(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        r1 = penalties.zero_centered(D, real.x, real.y, real.c)
        return self.gamma / 2 * r1, {"r1": r1}


class R2(R1):
    """Mescheder et al. 2018 (arXiv:1801.04406), equation 10: γ/2·E‖∇d(G(z))‖² of the logit d, added to the loss of D.

    Reported value: ``r2``, without γ/2.

    Args:
        gamma: γ, weight of the penalty. The best value increases with the number of pixels; the paper uses 10.
    """

    def discriminator_term(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        r2 = penalties.zero_centered(D, fake.x, fake.y, fake.c)
        return self.gamma / 2 * r2, {"r2": r2}
