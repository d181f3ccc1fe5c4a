"""Losses of discriminators that are autoencoders: an image that D cannot reconstruct is a fake."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize, relu

from ganctl import USAGE, Batch, Critic, GanctlError, Loss
from ganctl_losses.checks import at_least
from ganctl_losses.precision import full


class BEGAN(Loss):
    """Berthelot et al. 2017 (arXiv:1703.10717). D(x, y) returns its reconstruction of x, N×C×H×W.

    With L(x) = |x − D(x)|, the mean over pixels: D minimizes E L(x) − k·E L(G(z)), G minimizes E L(G(z)), and after
    each update of D k ← k + λ·(γ·E L(x) − E L(G(z))), kept within [0, 1] and begun at 0. Reported: ``D(x)`` and
    ``D(G(z))``, the two mean errors (low is real); ``k``; and ``convergence``, the paper's global measure
    E L(x) + |γ·E L(x) − E L(G(z))|, which falls as pictures get better.

    Args:
        gamma: γ, the diversity ratio E L(G(z)) / E L(x) aimed at, from 0 to 1: lower is sharper and less varied.
        k_rate: λ, the learning rate of k.

    Raises:
        GanctlError: γ outside [0, 1], a negative rate, or a discriminator that does not return images.
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
                f"gamma is {gamma}: it must be at most 1.", "The paper uses 0.3 to 0.7.", status=USAGE
            )
        self.register_buffer("gamma", torch.tensor(gamma, dtype=torch.float32))
        self.register_buffer("k_rate", torch.tensor(k_rate, dtype=torch.float32))
        self.register_buffer("k", torch.tensor(0.0, dtype=torch.float32))

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, on_fake = self._error(D, real), self._error(D, fake)
        k = self.k.clone()  # the graph keeps the k that it was made with
        balance = (self.gamma * on_real - on_fake).detach()
        self.k.add_(self.k_rate * balance).clamp_(0, 1)
        report = {"D(x)": on_real, "D(G(z))": on_fake, "k": k, "convergence": on_real + balance.abs()}
        return on_real - k * on_fake, report

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return self._error(D, fake), {}

    def _error(self, D: Critic, batch: Batch) -> Tensor:
        return (_reconstruction(D(batch.x, batch.y), batch) - batch.x).abs().mean()


class EBGAN(Loss):
    """Zhao et al. 2017 (arXiv:1609.03126). D(x, y) returns its reconstruction of x, N×C×H×W, and its code S, N×E.

    With the energy D(x) = (x − reconstruction)², the mean over pixels: D minimizes E D(x) + E max(0, m − D(G(z))), G
    minimizes E D(G(z)) + λ·f(S), where f, the pulling-away term, is the mean of cos²(Sᵢ, Sⱼ) over all pairs of
    different fakes (equation 4). ``D(x)`` and ``D(G(z))`` are reported as mean energies: low is real.

    Args:
        margin: m, the energy from which on D leaves a fake alone. The energy is a mean over pixels from −1 to 1.
        pull_away: λ, weight of the pulling-away term; 0 leaves it out of the sum.

    Raises:
        GanctlError: a negative option, or a discriminator that does not return a reconstruction and a code.
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
        alike = squared_cosine(code)
        return energy.mean() + self.pull_away * alike, {"pull_away": alike}

    def _energy(self, D: Critic, batch: Batch) -> tuple[Tensor, Tensor]:
        answer = D(batch.x, batch.y)
        if not isinstance(answer, tuple) or len(answer) != 2 or answer[1].ndim != 2:
            raise GanctlError(
                "The ebgan loss takes a discriminator that returns a reconstruction and its code.",
                "Try --discriminator autoencoder with the options of the model 'ebgan'.",
                status=USAGE,
            )
        error = (_reconstruction(answer[0], batch) - batch.x).square()
        return error.flatten(1).mean(1), full(answer[1])


def squared_cosine(code: Tensor) -> Tensor:
    """Mean of cos²(Sᵢ, Sⱼ) over all i ≠ j of ``code``, float N×E: a scalar, 0 for a single row."""
    n = len(code)
    with torch.autocast(code.device.type, enabled=False):
        unit = normalize(code, dim=1)
        others = 1 - torch.eye(n, dtype=code.dtype, device=code.device)
        return ((unit @ unit.T).square() * others).sum() / max(1, n * (n - 1))


def _reconstruction(answer: Tensor, batch: Batch) -> Tensor:
    if not isinstance(answer, Tensor) or answer.shape != batch.x.shape:
        raise GanctlError(
            "This loss takes a discriminator that returns a reconstruction of each image.",
            "Try --discriminator autoencoder.",
            status=USAGE,
        )
    return full(answer)
