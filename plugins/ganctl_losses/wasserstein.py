"""Wasserstein losses with different constraints on the smoothness of D."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from ganctl import Batch, Critic, Loss, logits, penalties
from ganctl_losses.option_ranges import at_least


class Wasserstein(Loss):
    """Base class of the losses below: E D(G(z)) − E D(x) for D and −E D(G(z)) for G, without a constraint on D."""

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, on_fake = logits(D, real).mean(), logits(D, fake).mean()
        return on_fake - on_real, {"D(x)": on_real, "D(G(z))": on_fake}

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return -logits(D, fake).mean(), {}


class WGAN(Wasserstein):
    """Arjovsky et al. 2017 (arXiv:1701.07875), algorithm 1.

    D minimizes E D(G(z)) − E D(x), and after each D update all weights of D are clipped to ±clip. G minimizes
    −E D(G(z)). −d_loss estimates the Wasserstein distance up to a constant factor. Reported values: ``D(x)`` and
    ``D(G(z))``, the mean outputs of D, which are not probabilities.

    Args:
        clip: maximum absolute value of the weights of D.
    """

    clip: Tensor

    def __init__(self, clip: float = 0.01) -> None:
        super().__init__()
        at_least(0, clip=clip)
        self.register_buffer("clip", torch.tensor(clip, dtype=torch.float32))

    def constrain(self, D: nn.Module) -> None:
        for weight in D.parameters():
            weight.clamp_(-self.clip, self.clip)


class WGANGP(Wasserstein):
    """Gulrajani et al. 2017 (arXiv:1704.00028), equation 3.

    D minimizes E D(G(z)) − E D(x) + λ·E(‖∇D(x̂)‖ − 1)², where x̂ is uniformly distributed on the line between a real
    image and a fake. G minimizes −E D(G(z)). Reported values: ``D(x)`` and ``D(G(z))``, the mean outputs of D;
    ``penalty``, without λ.

    Args:
        gp_weight: λ, weight of the gradient penalty.
        one_sided: penalize only gradients with a norm above 1.
    """

    penalizes_gradient = True
    gp_weight: Tensor

    def __init__(self, gp_weight: float = 10.0, one_sided: bool = False) -> None:
        super().__init__()
        at_least(0, gp_weight=gp_weight)
        self.one_sided = one_sided
        self.register_buffer("gp_weight", torch.tensor(gp_weight, dtype=torch.float32))

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        distance, report = super().discriminator_loss(D, real, fake)
        points = penalties.between(real.x, fake.x)
        penalty = penalties.one_centered(D, points, real.y, real.c, one_sided=self.one_sided)
        return distance + self.gp_weight * penalty, {**report, "penalty": penalty}


class WGANDiv(Wasserstein):
    """Wu et al. 2018 (arXiv:1712.01026), the Wasserstein divergence.

    D minimizes E D(G(z)) − E D(x) + k·E‖∇D(x̂)‖ᵖ, where x̂ is uniform on the line between a real image and a
    fake; G minimizes −E D(G(z)). D need not be 1-Lipschitz. With points=ends, as in PyTorch-GAN, the penalty is
    k/2·(E‖∇D(x)‖ᵖ + E‖∇D(G(z))‖ᵖ), which also saves a forward pass of D. Reported values: ``D(x)`` and ``D(G(z))``, the
    mean outputs of D; ``penalty``, without k.

    Args:
        k: weight of the penalty.
        p: exponent of the gradient norm, at least 1.
        points: where to compute the gradient: between real and fake images, or at the images themselves (ends).
    """

    penalizes_gradient = True
    k: Tensor

    def __init__(
        self, k: float = 2.0, p: float = 6.0, points: Literal["between", "ends"] = "between"
    ) -> None:
        super().__init__()
        at_least(0, k=k)
        at_least(1, p=p)
        self.p, self.points = p, points
        self.register_buffer("k", torch.tensor(k, dtype=torch.float32))

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        if self.points == "between":
            distance, report = super().discriminator_loss(D, real, fake)
            penalty = self.power(
                penalties.with_gradient(D, penalties.between(real.x, fake.x), real.y, real.c)[1]
            )
        else:
            on_real, at_real = penalties.with_gradient(D, real.x, real.y, real.c)
            on_fake, at_fake = penalties.with_gradient(D, fake.x, fake.y, fake.c)
            distance = on_fake.mean() - on_real.mean()
            report = {"D(x)": on_real.mean(), "D(G(z))": on_fake.mean()}
            penalty = (self.power(at_real) + self.power(at_fake)) / 2
        return distance + self.k * penalty, {**report, "penalty": penalty}

    def power(self, gradient: Tensor) -> Tensor:
        """Return E‖∇‖ᵖ of ``gradient``, float N×C×H×W, as a scalar."""
        return penalties.norm(gradient).pow(self.p).mean()
