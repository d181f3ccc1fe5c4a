"""The convolutional networks of PyTorch-GAN's acgan.py and infogan.py, with labels or codes."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from ganctl import USAGE, Codes, GanctlError, ImageShape, Latent, sizes
from ganctl_conditional.labels import require_labels

Norm = Literal["batch", "none"]


class ACGANGenerator(nn.Module):
    """Odena et al. 2017 (arXiv:1610.09585): upsampling and convolutions of z ⊙ e_y, where e is a class embedding.

    The layers are those of PyTorch-GAN: a projection to 128 channels at a quarter of the size; two blocks of
    nearest-neighbor ×2 upsampling, a 3×3 convolution, batch normalization and leaky ReLU 0.2; a 3×3 convolution and
    tanh. ``forward`` takes z, float N×``latent.dim``, and y, int64 N, and returns float N×C×H×W in [−1, 1].

    Args:
        batch_norm_eps: value added to the batch variance after the two hidden convolutions. PyTorch-GAN's networks
            use 0.8.

    Raises:
        GanctlError: if the data has no labels, the sides are not divisible by 4, or ``batch_norm_eps`` is not positive.
    """

    def __init__(
        self, image: ImageShape, latent: Latent, num_classes: int, batch_norm_eps: float = 1e-5
    ) -> None:
        super().__init__()
        sizes.divisible("acgan generator", image, 4)
        _check_eps(batch_norm_eps)
        self.embedding = nn.Embedding(require_labels("acgan generator", num_classes), latent.dim)
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
    """Odena et al. 2017 (arXiv:1610.09585): convolutions with two heads, one for real or fake and one for the class.

    The layers are those of PyTorch-GAN. ``forward`` takes x, float N×C×H×W in [−1, 1], and returns logits, float N, and
    class logits, float N×``num_classes``, without softmax, which the loss applies. Use it with the loss ``acgan``.

    Args:
        dropout: probability of dropping a channel, in [0, 1).
        batch_norm_eps: value added to the batch variance for numerical stability. PyTorch-GAN's networks use 0.8.
        norm: batch normalization in every layer except the first, or none. Use none for 16×16 images: batch
            normalization of the last layer gives the logits of every batch the same mean, so D cannot distinguish
            reals from fakes.

    Raises:
        GanctlError: if the data has no labels, the sides are not divisible by 16, or an option is out of range.
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
        component = "acgan discriminator"
        self.features, length = _features(component, image, dropout, batch_norm_eps, norm)
        self.to_logit = nn.Linear(length, 1)
        self.to_classes = nn.Linear(length, require_labels(component, num_classes))
        self.apply(_initialize)

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        phi = self.features(x)
        return self.to_logit(phi).squeeze(1), self.to_classes(phi)


class InfoGANDiscriminator(nn.Module):
    """Chen et al. 2016 (arXiv:1606.03657): convolutions with two heads, one for real or fake and Q for the code.

    The layers are those of PyTorch-GAN. ``forward`` takes x, float N×C×H×W in [−1, 1], and returns logits, float N, and
    the predicted code, float N×K: the logits of each categorical code in order, followed by the mean of each
    continuous code. Use it with the loss ``infogan`` and the latent ``codes``.

    Args:
        dropout: probability of dropping a channel, in [0, 1).
        batch_norm_eps: value added to the batch variance for numerical stability. PyTorch-GAN's networks use 0.8.
        norm: batch normalization in every layer except the first, or none. Use none for 16×16 images: batch
            normalization of the last layer gives the logits of every batch the same mean, so D cannot distinguish
            reals from fakes.

    Raises:
        GanctlError: if the latent has no codes, the sides are not divisible by 16, or an option is out of range.
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
                "The infogan discriminator predicts codes, but this latent has none.",
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
    component: str, image: ImageShape, dropout: float, eps: float, norm: Norm
) -> tuple[nn.Sequential, int]:
    """Return four flattened 3×3 convolutions of stride 2 with 16, 32, 64 and 128 channels, and the output size."""
    sizes.divisible(component, image, 16)
    _check_eps(eps)
    if not 0 <= dropout < 1:
        raise GanctlError(
            f"dropout is {dropout}: it must be in [0, 1).", "Use 0.25, a common value.", status=USAGE
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
            f"batch_norm_eps is {eps}: it must be above 0.",
            "Use, for example, 1e-5, PyTorch's default.",
            status=USAGE,
        )


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
