"""The networks of Radford et al. 2015 (arXiv:1511.06434), for any size that doublings can reach."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

from ganctl import ImageShape, Latent, sizes
from ganctl_dcgan.norm import Norm, normalization, spectral


class Generator(nn.Module):
    """z, projected to a small image, then doubled by transposed convolutions 4×4 of stride 2 up to a tanh.

    Batch normalization and ReLU after all but the last; weights from N(0, 0.02). ``forward`` takes z, float
    N×``latent.dim``, and returns float N×C×H×W in [−1, 1]. At 64×64×3 with 100 inputs: 3,576,704 parameters.

    Args:
        width: channels of the layer next to the image; each layer further in has twice as many.
        depth: number of doublings. Unless given, as many as leave a start of 4 to 7 pixels on the short side.
        max_width: no layer has more channels than this.

    Raises:
        GanctlError: an image size that the doublings cannot reach, or an option out of its range.
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
    """Image, halved by convolutions 4×4 of stride 2, and a last convolution from what is left to one logit.

    Leaky ReLU 0.2 after each, normalization before it in all but the first; weights from N(0, 0.02).
    ``forward`` takes x, float N×C×H×W in [−1, 1], and returns float N. At 64×64×3: 2,765,568 parameters.

    Args:
        width: channels of the layer next to the image; each layer further in has twice as many.
        depth: number of halvings. Unless given, as many as leave 4 to 7 pixels on the short side.
        max_width: no layer has more channels than this.
        norm: batch normalization as published, or what a gradient penalty needs, as it keeps images apart: layer
            (over all of an image), instance (over each channel of an image) or none.
        spectral_norm: divide the weights of each convolution by their largest singular value (Miyato et al. 2018).
            Usual with norm=none.

    Raises:
        GanctlError: an image size that cannot be halved so often, or an option out of its range.
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
            # Only a normalization that follows makes a bias superfluous. The paper has none in the first either.
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
            self.apply(spectral)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        last: Any
        *rest, last = self.layers
        for layer in rest:
            x = layer(x)
        return _weigh(x, last.weight)


# A convolution that meets its input in one place only is a matrix product, which runs several times as fast. The
# matrices have the channels last, as images and weights have: no copy is needed.


def _project(z: Tensor, weight: Tensor) -> Tensor:
    """The transposed convolution of ``z``, N×K, as an image of one pixel, with ``weight``, K×C×H×W: N×C×H×W."""
    channels, height, width = weight.shape[1:]
    x = z @ weight.permute(0, 2, 3, 1).flatten(1)
    return x.view(-1, height, width, channels).permute(0, 3, 1, 2)


def _weigh(x: Tensor, weight: Tensor) -> Tensor:
    """The convolution of ``x``, N×C×H×W, with ``weight``, 1×C×H×W: N."""
    return x.permute(0, 2, 3, 1).flatten(1) @ weight[0].permute(1, 2, 0).flatten()


class _Plan(NamedTuple):
    start: tuple[int, int]  # height and width of the innermost layer
    widths: list[int]  # channels, from the layer next to the image inwards


def _plan(role: str, image: ImageShape, width: int, depth: int | None, max_width: int) -> _Plan:
    what = f"dcgan {role}"
    sizes.at_least(what, 1, width=width, depth=depth, max_width=max_width)
    blocks, start = sizes.doublings(what, image, depth)
    return _Plan(start, [min(width << block, max_width) for block in range(blocks)])


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
