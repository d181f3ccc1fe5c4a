"""A generator that is built from the image shape and the length of z."""

from __future__ import annotations

from torch import Tensor, nn

from ganctl import ImageShape, Latent
from ganctl.sizes import at_least, doublings


class Bilinear(nn.Module):
    """Project z to 4 to 7 pixels, then repeat bilinear upsampling and a convolution up to the size; tanh output.

    ``forward`` takes z, float N×``latent.dim``, and returns float N×C×H×W in [−1, 1].

    Args:
        width: Number of channels of every layer.

    Raises:
        GanctlError: The size is not 4 to 7 times a power of two, or ``width`` is below 1.
    """

    def __init__(self, image: ImageShape, latent: Latent, width: int = 64) -> None:
        super().__init__()
        at_least("example-bilinear generator", 1, width=width)
        blocks, (height, breadth) = doublings("example-bilinear generator", image)
        layers: list[nn.Module] = [
            nn.Linear(latent.dim, width * height * breadth),
            nn.Unflatten(1, (width, height, breadth)),
        ]
        for _ in range(blocks):
            layers += [
                nn.Upsample(scale_factor=2, mode="bilinear"),
                nn.Conv2d(width, width, 3, padding=1),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, image.channels, 3, padding=1), nn.Tanh())

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layers(z)
