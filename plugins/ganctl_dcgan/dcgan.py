"""The networks of Radford et al. 2015 (arXiv:1511.06434), for any size that can be reached by repeated doubling."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

from ganctl import ImageShape, Latent, sizes
from ganctl_dcgan.norm import Norm, add_spectral_norm, normalization


class Generator(nn.Module):
    """Project z to a small feature map and double its size with 4×4 transposed convolutions of stride 2.

    Batch normalization and ReLU follow every layer except the last, which is followed by tanh. Weights are
    initialized from N(0, 0.02²). ``forward`` takes z, float N×``latent.dim``, and returns float N×C×H×W in [−1, 1].
    At 64×64×3 with ``latent.dim`` 100, the network has 3,576,704 parameters.

    Args:
        width: channels of the layer next to the image. The number doubles with each layer away from the image.
        depth: number of doublings. By default, the shorter side starts at 4 to 7 pixels.
        max_width: maximum number of channels of any layer.

    Raises:
        GanctlError: if doublings cannot reach the image size, or an option is out of range.
    """

    def __init__(
        self,
        image: ImageShape,
        latent: Latent,
        width: int = 64,
        depth: int | None = None,
        max_width: int = 1024,
    ) -> None:
        super().__init__()
        start, widths = _plan("generator", image, width, depth, max_width)
        channels = widths[-1]
        layers = [
            nn.ConvTranspose2d(latent.dim, channels, start, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        ]
        for out in reversed(widths[:-1]):
            layers += [
                nn.ConvTranspose2d(channels, out, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(out),
                nn.ReLU(inplace=True),
            ]
            channels = out
        layers += [
            nn.ConvTranspose2d(channels, image.channels, 4, stride=2, padding=1, bias=False),
            nn.Tanh(),
        ]
        self.layers = nn.Sequential(*layers)
        self.apply(_initialize)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        project: Any
        project, *rest = self.layers
        x = _project(z, project.weight)
        for layer in rest:
            x = layer(x)
        return x


class Discriminator(nn.Module):
    """Halve the image with 4×4 convolutions of stride 2 and map the last feature map to one logit.

    Each convolution is followed by normalization (except in the first layer) and leaky ReLU 0.2. Weights are
    initialized from N(0, 0.02²). ``forward`` takes x, float N×C×H×W in [−1, 1], and returns float N. At 64×64×3, the
    network has 2,765,568 parameters.

    Args:
        width: channels of the layer next to the image. The number doubles with each layer away from the image.
        depth: number of halvings. By default, the shorter side ends at 4 to 7 pixels.
        max_width: maximum number of channels of any layer.
        norm: batch normalization, as published, or a normalization that does not mix images, as a gradient penalty
            requires: layer (over a whole image), instance (over each channel of an image) or none.
        spectral_norm: divide the weights of each convolution by their largest singular value (Miyato et al. 2018).
            This option is usually combined with norm=none.

    Raises:
        GanctlError: if the image size cannot be halved that many times, or an option is out of range.
    """

    def __init__(
        self,
        image: ImageShape,
        width: int = 64,
        depth: int | None = None,
        max_width: int = 1024,
        norm: Norm = "batch",
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        end, widths = _plan("discriminator", image, width, depth, max_width)
        layers: list[nn.Module] = []
        channels = image.channels
        for number, out in enumerate(widths):
            # Normalization makes a bias redundant. In the paper, the first layer has no bias either.
            bias = number > 0 and norm == "none"
            layers.append(nn.Conv2d(channels, out, 4, stride=2, padding=1, bias=bias))
            if number > 0:
                layers += normalization(norm, out)
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            channels = out
        layers.append(nn.Conv2d(channels, 1, end, bias=False))
        self.layers = nn.Sequential(*layers)
        self.apply(_initialize)
        if spectral_norm:
            self.apply(add_spectral_norm)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        last: Any
        *rest, last = self.layers
        for layer in rest:
            x = layer(x)
        return _to_logit(x, last.weight)


# A convolution with a single output position is a matrix product, which is several times as fast. The matrices are
# channels-last, like the images and weights, so no copy is needed.


def _project(z: Tensor, weight: Tensor) -> Tensor:
    """Return the transposed convolution, N×C×H×W, of ``z`` (N×K, viewed as N×K×1×1) with ``weight`` (K×C×H×W)."""
    channels, height, width = weight.shape[1:]
    x = z @ weight.permute(0, 2, 3, 1).flatten(1)
    return x.view(-1, height, width, channels).permute(0, 3, 1, 2)


def _to_logit(x: Tensor, weight: Tensor) -> Tensor:
    """Return the convolution, N, of ``x`` (N×C×H×W) with ``weight`` (1×C×H×W)."""
    return x.permute(0, 2, 3, 1).flatten(1) @ weight[0].permute(1, 2, 0).flatten()


class _Plan(NamedTuple):
    start: tuple[int, int]  # height and width of the innermost layer
    widths: list[int]  # channels, starting with the layer next to the image


def _plan(role: str, image: ImageShape, width: int, depth: int | None, max_width: int) -> _Plan:
    component = f"dcgan {role}"
    sizes.at_least(component, 1, width=width, depth=depth, max_width=max_width)
    blocks, start = sizes.doublings(component, image, depth)
    return _Plan(start, [min(width << block, max_width) for block in range(blocks)])


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
