"""Fully connected generator and discriminator."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ganctl import USAGE, GanctlError, ImageShape, Latent


class Generator(nn.Module):
    """Map z to an image with hidden layers, leaky ReLU and a final tanh.

    ``forward`` takes z, float N×``latent.dim``, and returns float N×C×H×W in [−1, 1].

    Args:
        hidden: width of each hidden layer, from z to the image.
        batch_norm: apply batch normalization to every hidden layer except the first.
        batch_norm_eps: value added to the batch variance for numerical stability. PyTorch-GAN's networks use 0.8.
        slope: negative slope of the leaky ReLU.

    Raises:
        GanctlError: if a width is below 1, ``batch_norm_eps`` is not positive or ``slope`` is negative.
    """

    def __init__(
        self,
        image: ImageShape,
        latent: Latent,
        hidden: tuple[int, ...] = (128, 256, 512, 1024),
        batch_norm: bool = True,
        batch_norm_eps: float = 1e-5,
        slope: float = 0.2,
    ) -> None:
        super().__init__()
        _check(hidden, slope)
        if not batch_norm_eps > 0:
            raise GanctlError(
                f"The generator's batch_norm_eps is {batch_norm_eps}: it must be above 0.",
                "Use, for example, 1e-5, PyTorch's default.",
                status=USAGE,
            )
        self.image = image
        layers: list[nn.Module] = []
        inputs = latent.dim
        for number, width in enumerate(hidden):
            layers.append(nn.Linear(inputs, width))
            if batch_norm and number > 0:
                layers.append(nn.BatchNorm1d(width, eps=batch_norm_eps))
            layers.append(nn.LeakyReLU(slope))
            inputs = width
        layers += [nn.Linear(inputs, image.channels * image.height * image.width), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layers(z).view(len(z), *self.image)


class Discriminator(nn.Module):
    """Map an image to one logit with hidden layers and leaky ReLU.

    ``forward`` takes x, float N×C×H×W in [−1, 1], and returns float N.

    Args:
        hidden: width of each hidden layer, from the image to the logit.
        slope: negative slope of the leaky ReLU.

    Raises:
        GanctlError: if a width is below 1 or ``slope`` is negative.
    """

    def __init__(self, image: ImageShape, hidden: tuple[int, ...] = (512, 256), slope: float = 0.2) -> None:
        super().__init__()
        _check(hidden, slope)
        layers: list[nn.Module] = []
        inputs = image.channels * image.height * image.width
        for width in hidden:
            layers += [nn.Linear(inputs, width), nn.LeakyReLU(slope)]
            inputs = width
        self.layers = nn.Sequential(nn.Flatten(), *layers, nn.Linear(inputs, 1))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layers(x).squeeze(1)


def _check(hidden: Sequence[int], slope: float) -> None:
    if not hidden or min(hidden) < 1:
        raise GanctlError(
            f"hidden is {tuple(hidden)}: it must contain one width of at least 1 per layer.",
            "For two hidden layers, use, for example, hidden=512,256.",
            status=USAGE,
        )
    if not slope >= 0:
        raise GanctlError(
            f"slope is {slope}: it must not be negative.",
            "Use 0.2, a common value, or 0 for a plain ReLU.",
            status=USAGE,
        )
