"""LeCam regularization of D."""

from __future__ import annotations

import torch
from torch import Tensor

from ganctl import Batch, Critic, Regularizer, batchwise, logits
from ganctl_regularizers.scalar_options import register_shares, register_weights


class LeCam(Regularizer):
    """Tseng et al. 2021 (arXiv:2104.03310), equation 4: λ·(E(d(x) − α_F)² + E(d(G(z)) − α_R)²), for little data.

    α_R and α_F are running means of the logits d of reals and of fakes. The term is added to the loss of D, and uses
    the logits that the loss computes. Reported value: ``lecam``, without λ.

    Args:
        weight: λ, weight of the term.
        decay: factor of the running means per step in which the term is evaluated.
    """

    weight: Tensor
    decay: Tensor
    means: Tensor
    started: Tensor

    def __init__(self, weight: float = 0.3, decay: float = 0.99) -> None:
        super().__init__()
        register_weights(self, weight=weight)
        register_shares(self, decay=decay)
        self.register_buffer("means", torch.zeros(2))  # of reals and of fakes
        self.register_buffer("started", torch.zeros(()))

    def discriminator_term(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, on_fake = logits(D, real), logits(D, fake)
        with torch.no_grad():
            newest = batchwise.mean(torch.stack([on_real, on_fake], 1))
            # The first batch sets the means.
            self.means.lerp_(newest.to(self.means.dtype), 1 - self.decay * self.started)
            self.started.fill_(1)
            mean_real, mean_fake = self.means.clone()
        lecam = (on_real - mean_fake).square().mean() + (on_fake - mean_real).square().mean()
        return self.weight * lecam, {"lecam": lecam}
