"""A shallow convolutional autoencoder, as PyTorch-GAN's began.py and ebgan.py have it."""

from __future__ import annotations

from torch import Tensor, nn

from ganctl import ImageShape, sizes


class Autoencoder(nn.Module):
    """conv 3×3 of stride 2, ReLU; a linear map to a short code and one back; nearest neighbor ×2, conv 3×3.

    ``forward`` takes x, float N×C×H×W in [−1, 1], and returns its reconstruction, float N×C×H×W, which nothing keeps
    within [−1, 1]; with ``with_code`` also the code, float N×``code``.

    Args:
        width: channels at half of the size.
        code: length of the code.
        batch_norm: normalize the code, after it is returned, and what is made of it over the batch.
        with_code: return the code too, as the loss ebgan needs; began takes the reconstruction alone.

    Raises:
        GanctlError: a side that is not even, or an option out of its range.
    """

    def __init__(
        self,
        image: ImageShape,
        width: int = 64,
        code: int = 32,
        batch_norm: bool = True,
        with_code: bool = False,
    ) -> None:
        super().__init__()
        what = "autoencoder discriminator"
        sizes.divisible(what, image, 2)
        sizes.at_least(what, 1, width=width, code=code)
        half = (width, image.height // 2, image.width // 2)
        length = half[0] * half[1] * half[2]
        self.encode = nn.Sequential(
            nn.Conv2d(image.channels, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(length, code),
        )

        def hidden(size: int) -> list[nn.Module]:
            return [nn.BatchNorm1d(size), nn.ReLU()] if batch_norm else [nn.ReLU()]

        self.decode = nn.Sequential(
            *hidden(code),
            nn.Linear(code, length),
            *hidden(length),
            nn.Unflatten(1, half),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(width, image.channels, 3, padding=1),
        )
        self.with_code = with_code
        self.apply(_initialize)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        code = self.encode(x)
        reconstruction = self.decode(code)
        return (reconstruction, code) if self.with_code else reconstruction


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
