"""Gradient penalties at random points: between reals and fakes, or around reals."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from ganctl import USAGE, Batch, Critic, GanctlError, Regularizer, penalties
from ganctl_regularizers.scalar_options import register_weights


class GradientPenalty(Regularizer):
    """Gulrajani et al. 2017 (arXiv:1704.00028), equation 3: λ·E(‖∇d(x̂)‖ − 1)², added to the loss of D.

    x̂ is a random point between a real image and a fake. With center=0, the penalty is λ·E‖∇d(x̂)‖²
    (Thanh-Tung et al. 2019, arXiv:1902.03984). Reported value: ``gradient_penalty``, without λ.

    Args:
        weight: λ, weight of the penalty.
        center: norm of the gradient that is not penalized, 1 or 0.
        one_sided: penalize only norms above 1; needs center=1.

    Raises:
        GanctlError: if the weight is negative or not finite, or if one_sided is combined with center=0.
    """

    penalizes_gradient = True
    weight: Tensor

    def __init__(self, weight: float = 10.0, center: Literal[1, 0] = 1, one_sided: bool = False) -> None:
        super().__init__()
        register_weights(self, weight=weight)
        if one_sided and not center:
            raise GanctlError(
                "one_sided has no effect with center=0: no norm is below 0.",
                "Remove one_sided, or use center=1.",
                status=USAGE,
            )
        self.center, self.one_sided = center, one_sided

    def discriminator_term(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        points = penalties.between(real.x, fake.x)
        if self.center == 0:
            penalty = penalties.zero_centered(D, points, real.y, real.c)
        else:
            penalty = penalties.one_centered(D, points, real.y, real.c, one_sided=self.one_sided)
        return self.weight * penalty, {"gradient_penalty": penalty}


class DRAGAN(Regularizer):
    """Kodali et al. 2017 (arXiv:1705.07215): λ·E(‖∇d(x + δ)‖ − 1)² with Gaussian noise δ, added to the loss of D.

    Reported value: ``dragan``, without λ.

    Args:
        weight: λ, weight of the penalty.
        noise: standard deviation of δ relative to the standard deviation of the batch.
    """

    penalizes_gradient = True
    weight: Tensor
    noise: Tensor

    def __init__(self, weight: float = 10.0, noise: float = 0.5) -> None:
        super().__init__()
        register_weights(self, weight=weight, noise=noise)

    def discriminator_term(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        penalty = penalties.one_centered(D, penalties.around(real.x, self.noise), real.y, real.c)
        return self.weight * penalty, {"dragan": penalty}
