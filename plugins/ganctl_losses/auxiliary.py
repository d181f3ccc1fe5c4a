"""Losses of discriminators that also say what they see: the class (AC-GAN) or the code (InfoGAN)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, softplus

from ganctl import DATA, USAGE, Batch, Codes, Critic, GanctlError, Latent, Loss
from ganctl_losses.checks import at_least
from ganctl_losses.cross_entropy import probabilities
from ganctl_losses.precision import full


class ACGAN(Loss):
    """Odena et al. 2017 (arXiv:1610.09585), equations 2 and 3. D(x, y) returns logits N and class logits N×K.

    D minimizes −E log D(x) − E log(1 − D(G(z, y))) + λ·(CE(x, y) + CE(G(z, y), y)), G minimizes
    −E log D(G(z, y)) + λ·CE(G(z, y), y), with CE the cross-entropy of the class logits and the labels. Reported: mean
    probabilities; ``class`` and ``class(G)``, the cross-entropies on reals and on fakes.

    Args:
        class_weight: λ, weight of the classification.

    Raises:
        GanctlError: data without labels, or a discriminator without class logits.
    """

    class_weight: Tensor

    def __init__(self, num_classes: int, class_weight: float = 1.0) -> None:
        super().__init__()
        if num_classes < 1:
            raise _needs_labels()
        at_least(0, class_weight=class_weight)
        self.num_classes = num_classes
        self.register_buffer("class_weight", torch.tensor(class_weight, dtype=torch.float32))

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, class_real = self._answers(D, real)
        on_fake, class_fake = self._answers(D, fake)
        adversarial = softplus(-on_real).mean() + softplus(on_fake).mean()
        loss = adversarial + self.class_weight * (class_real + class_fake)
        return loss, {**probabilities(on_real, on_fake), "class": class_real, "class(G)": class_fake}

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_fake, class_fake = self._answers(D, fake)
        return softplus(-on_fake).mean() + self.class_weight * class_fake, {}

    def _answers(self, D: Critic, batch: Batch) -> tuple[Tensor, Tensor]:
        """D's logits, and the cross-entropy of its class logits with the labels."""
        if batch.y is None:
            raise _needs_labels()
        on_x, classes = _two_heads("acgan", D, batch, [self.num_classes])
        return on_x, cross_entropy(classes, batch.y)


def _needs_labels() -> GanctlError:
    return GanctlError(
        "The acgan loss needs labels, and the data has none.",
        "Choose data with classes, or a folder with one folder a class.",
        status=DATA,
    )


class InfoGAN(Loss):
    """Chen et al. 2016 (arXiv:1606.03657), equation 6. D(x, y) returns logits N and its guess of the code, N×P.

    D minimizes −E log D(x) − E log(1 − D(G(z))) − L, G minimizes −E log D(G(z)) − L. L is the weighted lower bound of
    the mutual information of G(z) and its code, E log Q(c | G(z)), with Q in D's second head. −log Q is, for a
    categorical code, the cross-entropy of its logits; for a continuous one ½(u − μ)², a Gaussian of unit variance
    without its constant, or ½((u − μ)²/σ² + log σ²) if D guesses variances too. The guess holds the logits of each
    categorical code in order, then every μ, then, if it is that much longer, every log σ². Needs the latent ``codes``.
    Reported: mean probabilities; ``categorical`` and ``continuous``, the two −log Q, each summed over its codes.

    Args:
        categorical_weight: of −log Q of the categorical codes.
        continuous_weight: of −log Q of the continuous codes.

    Raises:
        GanctlError: a latent without codes, or a discriminator that does not guess them.
    """

    categorical_weight: Tensor
    continuous_weight: Tensor

    def __init__(
        self, latent: Latent, categorical_weight: float = 1.0, continuous_weight: float = 0.1
    ) -> None:
        super().__init__()
        if not isinstance(latent, Codes):
            raise GanctlError(
                "The infogan loss needs a latent with codes to be guessed.",
                "Use --model infogan, or give: --latent codes",
                status=USAGE,
            )
        at_least(0, categorical_weight=categorical_weight, continuous_weight=continuous_weight)
        self.latent = latent
        self.register_buffer("categorical_weight", torch.tensor(categorical_weight, dtype=torch.float32))
        self.register_buffer("continuous_weight", torch.tensor(continuous_weight, dtype=torch.float32))

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, _ = self._answers(D, real)
        on_fake, guess = self._answers(D, fake)
        categorical, continuous = self._surprise(guess, fake)
        loss = softplus(-on_real).mean() + softplus(on_fake).mean() + self._weighted(categorical, continuous)
        report = {"categorical": categorical, "continuous": continuous}
        return loss, {**probabilities(on_real, on_fake), **report}

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_fake, guess = self._answers(D, fake)
        return softplus(-on_fake).mean() + self._weighted(*self._surprise(guess, fake)), {}

    def _answers(self, D: Critic, batch: Batch) -> tuple[Tensor, Tensor]:
        least = sum(self.latent.categorical) + self.latent.continuous
        return _two_heads("infogan", D, batch, [least, least + self.latent.continuous])

    def _surprise(self, guess: Tensor, fake: Batch) -> tuple[Tensor, Tensor]:
        """−log Q of the codes that the fakes were drawn from: of the categorical ones, of the continuous ones."""
        if fake.z is None:
            raise GanctlError("The infogan loss needs the latents of the fakes: Batch(x, y, z).")
        _, categories, u = self.latent.split(fake.z.to(guess.dtype))
        n = self.latent.continuous
        *category_logits, rest = guess.split(
            [*self.latent.categorical, guess.shape[1] - sum(self.latent.categorical)], 1
        )
        categorical = guess.new_zeros(())
        for code, code_logits in zip(categories, category_logits, strict=True):
            categorical = categorical + cross_entropy(code_logits, code)
        distance = (u - rest[:, :n]).square()
        if rest.shape[1] > n:
            log_variance = rest[:, n:]
            distance = distance * (-log_variance).exp() + log_variance
        return categorical, distance.sum(1).mean() / 2

    def _weighted(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        return self.categorical_weight * categorical + self.continuous_weight * continuous


def _two_heads(loss: str, D: Critic, batch: Batch, widths: list[int]) -> tuple[Tensor, Tensor]:
    """D's logits N and its second answer N×K in float32 at least, K being one of ``widths``."""
    answer = D(batch.x, batch.y)
    fits = isinstance(answer, tuple) and len(answer) == 2 and answer[0].ndim == 1 and answer[1].ndim == 2
    if not fits or answer[1].shape[1] not in widths:
        wanted = " or ".join(str(width) for width in dict.fromkeys(widths))
        raise GanctlError(
            f"The {loss} loss takes a discriminator with two answers to an image: a logit, and {wanted} numbers.",
            f"Use the discriminator of --model {loss}.",
            status=USAGE,
        )
    return full(answer[0]), full(answer[1])
