"""Losses for discriminators with an auxiliary output: the class (AC-GAN) or the code (InfoGAN)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, softplus

from ganctl import DATA, USAGE, Batch, Codes, Critic, GanctlError, Latent, Loss
from ganctl_losses.cross_entropy import probabilities
from ganctl_losses.minimum_precision import at_least_float32
from ganctl_losses.option_ranges import at_least


class ACGAN(Loss):
    """Odena et al. 2017 (arXiv:1610.09585), equations 2 and 3. D(x, y) returns logits N and class logits N×K.

    D minimizes −E log D(x) − E log(1 − D(G(z, y))) + λ·(CE(x, y) + CE(G(z, y), y)) and G minimizes
    −E log D(G(z, y)) + λ·CE(G(z, y), y), where CE is the cross-entropy of the class logits and the labels. Reported
    values: mean probabilities ``D(x)`` and ``D(G(z))``; ``class`` and ``class(G)``, the CE of reals and of fakes.

    Args:
        class_weight: λ, weight of the classification loss.

    Raises:
        GanctlError: if the data has no labels, or D does not return class logits.
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
        on_real, class_real = self._outputs(D, real)
        on_fake, class_fake = self._outputs(D, fake)
        adversarial = softplus(-on_real).mean() + softplus(on_fake).mean()
        loss = adversarial + self.class_weight * (class_real + class_fake)
        return loss, {**probabilities(on_real, on_fake), "class": class_real, "class(G)": class_fake}

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_fake, class_fake = self._outputs(D, fake)
        return softplus(-on_fake).mean() + self.class_weight * class_fake, {}

    def _outputs(self, D: Critic, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return D's logits and the cross-entropy of its class logits and the labels."""
        if batch.y is None:
            raise _needs_labels()
        on_x, classes = _two_heads("acgan", D, batch, [self.num_classes])
        return on_x, cross_entropy(classes, batch.y)


def _needs_labels() -> GanctlError:
    return GanctlError(
        "The acgan loss needs labels, but the data has none.",
        "Choose data with labels, such as a folder with one subfolder per class.",
        status=DATA,
    )


class InfoGAN(Loss):
    """Chen et al. 2016 (arXiv:1606.03657), equation 6. D(x, y) returns logits N and the predicted code, N×P.

    D minimizes −E log D(x) − E log(1 − D(G(z))) − L and G minimizes −E log D(G(z)) − L. L is the weighted lower bound
    of the mutual information of G(z) and its code, E log Q(c | G(z)), where Q is the second head of D. For a
    categorical code, −log Q is the cross-entropy of the logits. For a continuous code, −log Q is ½(u − μ)², a Gaussian
    of unit variance without the constant, or ½((u − μ)²/σ² + log σ²) if D also predicts variances. The code contains
    the logits of each categorical code in order, then every μ, then (optionally) every log σ². Requires the latent
    ``codes``. Reported values: mean probabilities ``D(x)`` and ``D(G(z))``; ``categorical`` and ``continuous``, −log Q
    summed over the codes of each kind.

    Args:
        categorical_weight: weight of −log Q of the categorical codes.
        continuous_weight: weight of −log Q of the continuous codes.

    Raises:
        GanctlError: if the latent has no codes, or D does not predict them.
    """

    categorical_weight: Tensor
    continuous_weight: Tensor

    def __init__(
        self, latent: Latent, categorical_weight: float = 1.0, continuous_weight: float = 0.1
    ) -> None:
        super().__init__()
        if not isinstance(latent, Codes):
            raise GanctlError(
                "The infogan loss needs a latent with codes.",
                "Use --model infogan, or add: --latent codes",
                status=USAGE,
            )
        at_least(0, categorical_weight=categorical_weight, continuous_weight=continuous_weight)
        self.latent = latent
        self.register_buffer("categorical_weight", torch.tensor(categorical_weight, dtype=torch.float32))
        self.register_buffer("continuous_weight", torch.tensor(continuous_weight, dtype=torch.float32))

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, _ = self._outputs(D, real)
        on_fake, predicted = self._outputs(D, fake)
        categorical, continuous = self._negative_log_q(predicted, fake)
        loss = softplus(-on_real).mean() + softplus(on_fake).mean() + self._weighted(categorical, continuous)
        report = {"categorical": categorical, "continuous": continuous}
        return loss, {**probabilities(on_real, on_fake), **report}

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_fake, predicted = self._outputs(D, fake)
        return softplus(-on_fake).mean() + self._weighted(*self._negative_log_q(predicted, fake)), {}

    def _outputs(self, D: Critic, batch: Batch) -> tuple[Tensor, Tensor]:
        least = sum(self.latent.categorical) + self.latent.continuous
        return _two_heads("infogan", D, batch, [least, least + self.latent.continuous])

    def _negative_log_q(self, predicted: Tensor, fake: Batch) -> tuple[Tensor, Tensor]:
        """Return −log Q of the categorical codes and of the continuous codes from which the fakes were generated."""
        if fake.z is None:
            raise GanctlError(
                "The infogan loss needs the latents of the fakes.", "Pass them as Batch(x, y, z)."
            )
        _, categories, u = self.latent.split(fake.z.to(predicted.dtype))
        n = self.latent.continuous
        *category_logits, rest = predicted.split(
            [*self.latent.categorical, predicted.shape[1] - sum(self.latent.categorical)], 1
        )
        categorical = predicted.new_zeros(())
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
    """Return D's logits, N, and its second output, N×K with K in ``widths``, both at least float32."""
    output = D(batch.x, batch.y)
    fits = isinstance(output, tuple) and len(output) == 2 and output[0].ndim == 1 and output[1].ndim == 2
    if not fits or output[1].shape[1] not in widths:
        expected = " or ".join(str(width) for width in dict.fromkeys(widths))
        raise GanctlError(
            f"The {loss} loss needs a discriminator with two outputs per image: a logit, and {expected} numbers.",
            f"Use the discriminator of --model {loss}.",
            status=USAGE,
        )
    return at_least_float32(output[0]), at_least_float32(output[1])
