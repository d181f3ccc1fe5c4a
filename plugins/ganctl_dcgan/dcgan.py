"""The networks of Radford et al. 2015 (arXiv:1511.06434), for any size that doublings can reach."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from ganctl import USAGE, GanctlError, ImageShape, Latent


class Generator(nn.Module):
    """z, projected to a small image, then doubled by transposed convolutions 4×4 of stride 2 up to a tanh.

    Batch normalisation and ReLU after all but the last; weights from N(0, 0.02). ``forward`` takes z, float
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
        self.apply(_initialise)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layers(z[:, :, None, None])


class Discriminator(nn.Module):
    """Image, halved by convolutions 4×4 of stride 2, and a last convolution from what is left to one logit.

    Leaky ReLU 0.2 after each, batch normalisation before it in all but the first; weights from N(0, 0.02).
    ``forward`` takes x, float N×C×H×W in [−1, 1], and returns float N. At 64×64×3: 2,765,568 parameters.

    Args:
        width: channels of the layer next to the image; each layer further in has twice as many.
        depth: number of halvings. Unless given, as many as leave 4 to 7 pixels on the short side.
        max_width: no layer has more channels than this.

    Raises:
        GanctlError: an image size that cannot be halved so often, or an option out of its range.
    """

    def __init__(
        self, image: ImageShape, width: int = 64, depth: int | None = None, max_width: int = 1024
    ) -> None:
        super().__init__()
        end, widths = _plan("discriminator", image, width, depth, max_width)
        layers: list[nn.Module] = []
        channels = image.channels
        for number, out in enumerate(widths):
            layers.append(nn.Conv2d(channels, out, 4, stride=2, padding=1, bias=False))
            if number > 0:
                layers.append(nn.BatchNorm2d(out))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            channels = out
        layers.append(nn.Conv2d(channels, 1, end, bias=False))
        self.layers = nn.Sequential(*layers)
        self.apply(_initialise)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layers(x).flatten()


class _Plan(NamedTuple):
    start: tuple[int, int]  # height and width of the innermost layer
    widths: list[int]  # channels, from the layer next to the image inwards


def _plan(role: str, image: ImageShape, width: int, depth: int | None, max_width: int) -> _Plan:
    for name, value in (("width", width), ("depth", depth), ("max_width", max_width)):
        if value is not None and value < 1:
            raise GanctlError(
                f"The dcgan {role}'s {name} is {value}: it must be at least 1.",
                f"Leave '{name}' out for its default.",
                status=USAGE,
            )
    short = min(image.height, image.width)
    blocks = depth or _doublings(short)
    if not blocks or image.height % 2**blocks or image.width % 2**blocks:
        below, above = _neighbours(short, depth)
        sizes = " or ".join(f"--image-size {size}" for size in (below, above) if size)
        rule = f"a multiple of {2**depth} (2^depth)" if depth else "4, 5, 6 or 7 times a power of two"
        raise GanctlError(
            f"The dcgan {role} cannot serve {image.height}×{image.width} images: each side must be {rule}.",
            f"The nearest that work: {sizes}",
            status=USAGE,
        )
    start = (image.height >> blocks, image.width >> blocks)
    return _Plan(start, [min(width << block, max_width) for block in range(blocks)])


def _doublings(side: int) -> int | None:
    """How many doublings lead from a start of 4 to 7 pixels to ``side``; None when none do."""
    blocks = 0
    while side > 7 and side % 2 == 0:
        side, blocks = side // 2, blocks + 1
    return blocks if blocks and 4 <= side <= 7 else None


def _neighbours(side: int, depth: int | None) -> tuple[int | None, int]:
    """The nearest square sizes at or below (None: there is none) and above ``side`` that do work."""

    def works(size: int) -> bool:
        return size % 2**depth == 0 if depth else _doublings(size) is not None

    below = next((size for size in range(side, 0, -1) if works(size)), None)
    above = side + 1
    while not works(above):
        above += 1
    return below, above


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
