"""Path length regularization of G."""

from __future__ import annotations

import torch
from torch import Tensor

from ganctl import Batch, Critic, Generator, Regularizer, batchwise
from ganctl_regularizers.scalar_options import out_of_range, register_shares, register_weights


class PathLength(Regularizer):
    """Karras et al. 2020 (arXiv:1912.04958), equation 4: λ·E(‖J(w)ᵀ·y‖ − a)², added to the loss of G.

    J(w) is the derivative of the images with respect to w, y is noise, and a is the running mean of the lengths. If
    G.module has the methods ``mapping(z, y) -> w`` and ``synthesis(w) -> x``, w is the output of the mapping.
    Otherwise, w is z. Reported value: ``path_length``, the mean length.

    Args:
        weight: λ, weight of the penalty.
        decay: weight of the newest batch in the running mean.
        shrink: the penalty is computed from one part in ``shrink`` of the batch.
    """

    penalizes_generator = True
    every = 4
    weight: Tensor
    mean_length: Tensor

    def __init__(self, weight: float = 2.0, decay: float = 0.01, shrink: int = 2) -> None:
        super().__init__()
        register_weights(self, weight=weight)
        register_shares(self, decay=decay)
        if shrink < 1:
            raise out_of_range("shrink", shrink, "at least 1")
        self.shrink = shrink
        self.register_buffer("mean_length", torch.zeros(()))

    def generator_term(
        self, D: Critic, real: Batch, fake: Batch, G: Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        n = max(1, len(fake.x) // self.shrink)
        z, y, c = (None if part is None else part[:n] for part in (fake.z, fake.y, fake.c))
        module = G.module  # type: ignore[attr-defined]
        if hasattr(module, "mapping") and hasattr(module, "synthesis"):
            w = module.mapping(z, y)
            x = module.synthesis(w).float()
        else:
            assert z is not None
            w = z.detach().requires_grad_()
            x = G(w, y, c)
        noise = batchwise.randn_like(x) / (x.shape[2] * x.shape[3]) ** 0.5
        with torch.autocast(x.device.type, enabled=False):
            (gradient,) = torch.autograd.grad((x * noise).sum(), w, create_graph=True)
        # In StyleGAN2, w is N×layers×dim: the norm over dim, the mean of its square over layers.
        lengths = gradient.float().square().sum(-1).reshape(n, -1).mean(1).sqrt()
        with torch.no_grad():
            self.mean_length.lerp_(batchwise.mean(lengths), self.decay)
        penalty = (lengths - self.mean_length).square().mean()
        return self.weight * penalty, {"path_length": lengths.mean()}
