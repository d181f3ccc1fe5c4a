"""Losses for discriminators that are autoencoders. A high reconstruction error marks an image as fake."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize, relu

from ganctl import USAGE, Batch, Critic, GanctlError, Loss, batchwise
from ganctl_losses.minimum_precision import at_least_float32
from ganctl_losses.option_ranges import at_least


class BEGAN(Loss):
    """Berthelot et al. 2017 (arXiv:1703.10717). D(x, y) returns its reconstruction of x, N×C×H×W.

    With L(x) = |x − D(x)|, averaged over pixels, D minimizes E L(x) − k·E L(G(z)) and G minimizes E L(G(z)). k starts
    at 0. Each D update sets k ← k + λ·(γ·E L(x) − E L(G(z))), clipped to [0, 1]. Reported values: ``D(x)`` and
    ``D(G(z))``, the mean errors (low means real); ``k``; and ``convergence``, the paper's global measure
    E L(x) + |γ·E L(x) − E L(G(z))|, which decreases as samples improve.

    Args:
        gamma: γ, target diversity ratio E L(G(z)) / E L(x), in [0, 1]. Lower values give sharper but less varied
            samples.
        k_rate: λ, the learning rate of k.

    Raises:
        GanctlError: if γ is outside [0, 1], the learning rate is negative, or D does not return images.
    """

    compares_with_x = True

    gamma: Tensor
    k_rate: Tensor
    k: Tensor

    def __init__(self, gamma: float = 0.5, k_rate: float = 0.001) -> None:
        super().__init__()
        at_least(0, gamma=gamma, k_rate=k_rate)
        if gamma > 1:
            raise GanctlError(
                f"gamma is {gamma}: it must be at most 1.",
                "Use a value from 0.3 to 0.7, as in the paper.",
                status=USAGE,
            )
        self.register_buffer("gamma", torch.tensor(gamma, dtype=torch.float32))
        self.register_buffer("k_rate", torch.tensor(k_rate, dtype=torch.float32))
        self.register_buffer("k", torch.tensor(0.0, dtype=torch.float32))

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, on_fake = self._error(D, real), self._error(D, fake)
        k = self.k.clone()  # a copy, because k changes before the backward pass uses it
        balance = batchwise.mean((self.gamma * on_real - on_fake).detach().reshape(1))
        self.k.add_(self.k_rate * balance).clamp_(0, 1)
        report = {"D(x)": on_real, "D(G(z))": on_fake, "k": k, "convergence": on_real + balance.abs()}
        return on_real - k * on_fake, report

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return self._error(D, fake), {}

    def _error(self, D: Critic, batch: Batch) -> Tensor:
        return (_reconstruction(D(batch.x, batch.y), batch) - batch.x).abs().mean()


class EBGAN(Loss):
    """Zhao et al. 2017 (arXiv:1609.03126). D(x, y) returns its reconstruction of x, N×C×H×W, and the code S, N×E.

    With the energy D(x) = (x − reconstruction)², averaged over pixels, D minimizes E D(x) + E max(0, m − D(G(z))) and G
    minimizes E D(G(z)) + λ·f(S). The pulling-away term f is the mean of cos²(Sᵢ, Sⱼ) over all pairs of different fakes
    (equation 4). Reported values: ``D(x)`` and ``D(G(z))``, the mean energies (low means real), and ``pull_away``, f.

    Args:
        margin: m, energy above which a fake no longer contributes to the loss of D. The energy is a mean over pixels
            with values in [−1, 1].
        pull_away: λ, weight of the pulling-away term; 0 disables it.

    Raises:
        GanctlError: if an option is negative, or D does not return a reconstruction and a code.
    """

    compares_with_x = True

    margin: Tensor
    pull_away: Tensor

    def __init__(self, margin: float = 1.0, pull_away: float = 0.1) -> None:
        super().__init__()
        at_least(0, margin=margin, pull_away=pull_away)
        self.register_buffer("margin", torch.tensor(margin, dtype=torch.float32))
        self.register_buffer("pull_away", torch.tensor(pull_away, dtype=torch.float32))

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, on_fake = self._energy(D, real)[0], self._energy(D, fake)[0]
        loss = on_real.mean() + relu(self.margin - on_fake).mean()
        return loss, {"D(x)": on_real.mean(), "D(G(z))": on_fake.mean()}

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        energy, code = self._energy(D, fake)
        similarity = squared_cosine(batchwise.whole(code))
        return energy.mean() + self.pull_away * similarity, {"pull_away": similarity}

    def _energy(self, D: Critic, batch: Batch) -> tuple[Tensor, Tensor]:
        output = D(batch.x, batch.y)
        if not isinstance(output, tuple) or len(output) != 2 or output[1].ndim != 2:
            raise GanctlError(
                "The ebgan loss needs a discriminator that returns a reconstruction and a code.",
                "Use --model ebgan, or add: --discriminator autoencoder -o discriminator.with_code=true",
                status=USAGE,
            )
        error = (_reconstruction(output[0], batch) - batch.x).square()
        return error.flatten(1).mean(1), at_least_float32(output[1])


def squared_cosine(code: Tensor) -> Tensor:
    """Return the mean of cos²(Sᵢ, Sⱼ) over all i ≠ j of ``code``, float N×E, as a scalar. It is 0 for a single row."""
    n = len(code)
    with torch.autocast(code.device.type, enabled=False):
        unit = normalize(code, dim=1)
        others = 1 - torch.eye(n, dtype=code.dtype, device=code.device)
        return ((unit @ unit.T).square() * others).sum() / max(1, n * (n - 1))


def _reconstruction(output: Tensor, batch: Batch) -> Tensor:
    if not isinstance(output, Tensor) or output.shape != batch.x.shape:
        raise GanctlError(
            "This loss needs a discriminator that returns a reconstruction of each image.",
            "Add: --discriminator autoencoder",
            status=USAGE,
        )
    return at_least_float32(output)
