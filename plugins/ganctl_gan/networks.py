"""Generator and discriminator of fully connected layers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ganctl import USAGE, GanctlError, ImageShape, Latent


class Generator(nn.Module):
    """z → hidden layers with leaky ReLU → tanh image.

    ``forward`` takes z, float N×``latent.dim``, and returns float N×C×H×W in [−1, 1].

    Args:
        hidden: width of each hidden layer, from z to the image.
        batch_norm: normalize every hidden layer but the first over the batch.
        batch_norm_eps: added to the batch variance. PyTorch-GAN's nets have 0.8.
        slope: of the leaky ReLU for negative inputs.

    Raises:
        GanctlError: a width below 1, an eps that is not positive, a negative slope.
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
                "torch's default is 1e-5.",
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
    """Image → hidden layers with leaky ReLU → one logit.

    ``forward`` takes x, float N×C×H×W in [−1, 1], and returns float N.

    Args:
        hidden: width of each hidden layer, from the image to the logit.
        slope: of the leaky ReLU for negative inputs.

    Raises:
        GanctlError: a width below 1, a negative slope.
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
            f"hidden is {tuple(hidden)}: it needs one width of at least 1 a layer.",
            "Write it as hidden=512,256 for two hidden layers.",
            status=USAGE,
        )
    if not slope >= 0:
        raise GanctlError(
            f"slope is {slope}: it must not be negative.", "0.2 is usual; 0 is ReLU.", status=USAGE
        )
