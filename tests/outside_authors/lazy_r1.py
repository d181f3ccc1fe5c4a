"""Lazy R1 (Mescheder et al. 2018, arXiv:1801.04406; every 16th step as in Karras et al. 2020, arXiv:1912.04958)."""

import torch

import ganctl
from ganctl import penalties


@ganctl.hookimpl
def register_regularizers(register):
    register("lazy-r1", LazyR1, summary="R1, evaluated in every 16th step")


class LazyR1(ganctl.Regularizer):
    """γ/2·E‖∇d(x)‖², evaluated in every 16th step and multiplied by 16.

    Args:
        gamma: γ, weight of the penalty.
    """

    penalizes_gradient = True
    every = 16

    def __init__(self, gamma: float = 10.0) -> None:
        super().__init__()
        self.register_buffer("gamma", torch.tensor(gamma))

    def discriminator_term(self, D, real, fake):
        penalty = penalties.zero_centered(D, real.x, real.y, real.c)
        return self.gamma / 2 * penalty, {"lazy-r1": penalty}
