"""Convolutional networks with a label or a code: those of PyTorch-GAN's acgan.py and infogan.py."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from ganctl import USAGE, Codes, GanctlError, ImageShape, Latent, sizes
from ganctl_conditional.labels import classes

Norm = Literal["batch", "none"]


class ACGANGenerator(nn.Module):
    """z ⊙ e_y, with an embedding e of the classes as long as z, through upsampling and convolutions to tanh.

    Odena et al. 2017 (arXiv:1610.09585), in the layers of PyTorch-GAN: a projection to 128 channels at a quarter of
    the size, then twice nearest neighbor ×2, conv 3×3, BN, leaky ReLU 0.2; conv 3×3. ``forward`` takes z, float
    N×``latent.dim``, and y, int64 N, and returns float N×C×H×W in [−1, 1].

    Args:
        batch_norm_eps: added to the batch variance after the two hidden convolutions. PyTorch-GAN's nets have 0.8.

    Raises:
        GanctlError: data without labels, sides not divisible by 4, or an eps that is not positive.
    """

    def __init__(
        self, image: ImageShape, latent: Latent, num_classes: int, batch_norm_eps: float = 1e-5
    ) -> None:
        super().__init__()
        sizes.divisible("acgan generator", image, 4)
        _check_eps(batch_norm_eps)
        self.embedding = nn.Embedding(classes("acgan generator", num_classes), latent.dim)
        self.start = (128, image.height // 4, image.width // 4)
        self.project = nn.Linear(latent.dim, 128 * self.start[1] * self.start[2])
        layers: list[nn.Module] = [nn.BatchNorm2d(128)]
        for outputs in (128, 64):
            layers += [
                nn.Upsample(scale_factor=2),
                nn.Conv2d(128, outputs, 3, padding=1),
                nn.BatchNorm2d(outputs, eps=batch_norm_eps),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(64, image.channels, 3, padding=1), nn.Tanh())
        self.apply(_initialize)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.layers(self.project(z * self.embedding(y)).view(-1, *self.start))


class ACGANDiscriminator(nn.Module):
    """Convolutions with two heads: a logit for real or fake, and a logit for each class.

    Odena et al. 2017 (arXiv:1610.09585), in the layers of PyTorch-GAN. ``forward`` takes x, float N×C×H×W in [−1, 1],
    and returns float N and class logits, float N×``num_classes``, which are no probabilities: the loss takes their
    softmax. Goes with the loss ``acgan``.

    Args:
        dropout: share of channels that are dropped, at least 0 and below 1.
        batch_norm_eps: added to the batch variance. PyTorch-GAN's nets have 0.8.
        norm: batch normalization in all layers but the first, or none. At 16×16 only none can tell reals from
            fakes: the last normalization leaves the logits of either batch one mean.

    Raises:
        GanctlError: data without labels, sides not divisible by 16, or an option out of its range.
    """

    def __init__(
        self,
        image: ImageShape,
        num_classes: int,
        dropout: float = 0.25,
        batch_norm_eps: float = 1e-5,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        what = "acgan discriminator"
        self.features, length = _features(what, image, dropout, batch_norm_eps, norm)
        self.to_logit = nn.Linear(length, 1)
        self.to_classes = nn.Linear(length, classes(what, num_classes))
        self.apply(_initialize)

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        phi = self.features(x)
        return self.to_logit(phi).squeeze(1), self.to_classes(phi)


class InfoGANDiscriminator(nn.Module):
    """Convolutions with two heads: a logit for real or fake, and Q, which guesses the code that G was given.

    Chen et al. 2016 (arXiv:1606.03657), in the layers of PyTorch-GAN. ``forward`` takes x, float N×C×H×W in [−1, 1],
    and returns float N and float N×Q: the logits of each categorical code in turn, then a mean for each continuous
    one. Goes with the loss ``infogan`` and the latent ``codes``.

    Args:
        dropout: share of channels that are dropped, at least 0 and below 1.
        batch_norm_eps: added to the batch variance. PyTorch-GAN's nets have 0.8.
        norm: batch normalization in all layers but the first, or none. At 16×16 only none can tell reals from
            fakes: the last normalization leaves the logits of either batch one mean.

    Raises:
        GanctlError: a latent without codes, sides not divisible by 16, or an option out of its range.
    """

    def __init__(
        self,
        image: ImageShape,
        latent: Latent,
        dropout: float = 0.25,
        batch_norm_eps: float = 1e-5,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        if not isinstance(latent, Codes):
            raise GanctlError(
                "The infogan discriminator guesses codes, and this latent has none.",
                "Add: --latent codes",
                status=USAGE,
            )
        self.features, length = _features("infogan discriminator", image, dropout, batch_norm_eps, norm)
        self.to_logit = nn.Linear(length, 1)
        self.to_code = nn.Linear(length, sum(latent.categorical) + latent.continuous)
        self.apply(_initialize)

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        phi = self.features(x)
        return self.to_logit(phi).squeeze(1), self.to_code(phi)


def _features(
    what: str, image: ImageShape, dropout: float, eps: float, norm: Norm
) -> tuple[nn.Sequential, int]:
    """Four convolutions 3×3 of stride 2 to 16, 32, 64 and 128 channels, flattened, and how long that is."""
    sizes.divisible(what, image, 16)
    _check_eps(eps)
    if not 0 <= dropout < 1:
        raise GanctlError(
            f"dropout is {dropout}: it must be at least 0 and below 1.", "Usual is 0.25.", status=USAGE
        )
    layers: list[nn.Module] = []
    inputs = image.channels
    for outputs in (16, 32, 64, 128):
        layers += [
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Dropout2d(dropout),
        ]
        if outputs > 16 and norm == "batch":
            layers.append(nn.BatchNorm2d(outputs, eps=eps))
        inputs = outputs
    return nn.Sequential(*layers, nn.Flatten()), 128 * (image.height // 16) * (image.width // 16)


def _check_eps(eps: float) -> None:
    if not eps > 0:
        raise GanctlError(
            f"batch_norm_eps is {eps}: it must be above 0.", "torch's default is 1e-5.", status=USAGE
        )


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
