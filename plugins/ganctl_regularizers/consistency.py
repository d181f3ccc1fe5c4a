"""Consistency of D under augmentation of the images, and of D and G under noise in z."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from ganctl import Batch, Critic, Generator, Regularizer, batchwise, logits
from ganctl_regularizers.scalar_options import out_of_range, register_weights


class Consistency(Regularizer):
    """Zhang et al. 2020 (arXiv:1910.12027), equation 3: λ·E(d(x) − d(T(x)))² at reals, added to the loss of D.

    T mirrors half of the images and shifts each by a few pixels. Reported value: ``consistency``, without λ.

    Args:
        weight: λ, weight of the term.
        shift: largest shift as a share of the side of the image.
    """

    weight: Tensor

    def __init__(self, weight: float = 10.0, shift: float = 0.125) -> None:
        super().__init__()
        register_weights(self, weight=weight)
        if not 0 <= shift < 1:
            raise out_of_range("shift", shift, "at least 0 and below 1")
        self.shift = shift

    def discriminator_term(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        consistency = self.distance(D, real)
        return self.weight * consistency, {"consistency": consistency}

    def distance(self, D: Critic, batch: Batch) -> Tensor:
        """Return E(d(x) − d(T(x)))² of ``batch``, a scalar."""
        transformed = batch._replace(x=mirror_and_shift(batch.x.detach(), self.shift))
        return (logits(D, batch) - logits(D, transformed)).square().mean()


class BalancedConsistency(Consistency):
    """Zhao et al. 2021 (arXiv:2002.04724), algorithm 1: the term of ``consistency`` at reals and at fakes.

    Reported value: ``balanced_consistency``, the sum of both, without weights.

    Args:
        weight: λ, weight of both terms.
        shift: largest shift as a share of the side of the image.
    """

    def discriminator_term(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        consistency = self.distance(D, real) + self.distance(D, fake)
        return self.weight * consistency, {"balanced_consistency": consistency}


class LatentConsistency(Regularizer):
    """Zhao et al. 2021 (arXiv:2002.04724), algorithm 2 (zCR), with z' = z + Δ of Gaussian noise Δ.

    D's loss is increased by λ_D·E(d(G(z)) − d(G(z')))², and G's loss is decreased by λ_G·E‖G(z) − G(z')‖², the mean
    over pixels. Reported values: ``zcr``, the distance of D's logits, and ``zcr(G)``, the distance of the images.

    Args:
        d_weight: λ_D.
        g_weight: λ_G.
        noise: standard deviation of Δ.
    """

    d_weight: Tensor
    g_weight: Tensor
    noise: Tensor

    def __init__(self, d_weight: float = 5.0, g_weight: float = 0.5, noise: float = 0.07) -> None:
        super().__init__()
        register_weights(self, d_weight=d_weight, g_weight=g_weight, noise=noise)

    def discriminator_term(
        self, D: Critic, real: Batch, fake: Batch, G: Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.no_grad():
            x = self.generate(fake, G)
        distance = (logits(D, fake) - logits(D, fake._replace(x=x))).square().mean()
        return self.d_weight * distance, {"zcr": distance}

    def generator_term(
        self, D: Critic, real: Batch, fake: Batch, G: Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        distance = (fake.x - self.generate(fake, G)).square().mean()
        return -self.g_weight * distance, {"zcr(G)": distance}

    def generate(self, fake: Batch, G: Generator) -> Tensor:
        """Return G(z + Δ), N×C×H×W."""
        assert fake.z is not None
        return G(fake.z + self.noise * batchwise.randn_like(fake.z), fake.y, fake.c)


def mirror_and_shift(x: Tensor, share: float) -> Tensor:
    """Mirror half of the images, and shift each by up to ``share`` of its side. Borders are repeated. N×C×H×W."""
    n, _, height, width = x.shape
    mirrored = batchwise.rand_like(x.new_empty(n, 1, 1, 1)) < 0.5
    x = torch.where(mirrored, x.flip(3), x)
    down, right = int(height * share), int(width * share)
    padded = pad(x, (right, right, down, down), mode="replicate")
    rows = torch.arange(height, device=x.device) + _offsets(x, down)  # N×H
    columns = torch.arange(width, device=x.device) + _offsets(x, right)  # N×W
    padded = padded.gather(2, rows[:, None, :, None].expand(n, x.shape[1], height, padded.shape[3]))
    return padded.gather(3, columns[:, None, None, :].expand(n, x.shape[1], height, width))


def _offsets(x: Tensor, largest: int) -> Tensor:
    """Return a random integer from 0 to 2·``largest`` per image, int64 N×1."""
    numbers = batchwise.rand_like(x.new_empty(len(x), 1)) * (2 * largest + 1)
    return numbers.long().clamp(max=2 * largest)
