"""The shallow convolutional autoencoder of PyTorch-GAN's began.py and ebgan.py."""

from __future__ import annotations

from torch import Tensor, nn

from ganctl import ImageShape, sizes


class Autoencoder(nn.Module):
    """Encode an image as a short code, and decode the code.

    The encoder is a 3×3 convolution of stride 2, ReLU and a linear layer; the decoder is a linear layer,
    nearest-neighbor ×2 upsampling and a 3×3 convolution. ``forward`` takes x, float N×C×H×W in [−1, 1], and returns
    the reconstruction, float N×C×H×W, which is not limited to [−1, 1]. If ``with_code`` is true, it also returns the
    code, float N×``code``.

    Args:
        width: channels of the hidden feature map, which has half the image's size.
        code: number of dimensions of the code.
        batch_norm: apply batch normalization in the decoder. The returned code is not normalized.
        with_code: also return the code, which the loss ebgan requires. The loss began requires only the reconstruction.

    Raises:
        GanctlError: if a side is odd, or an option is out of range.
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
        component = "autoencoder discriminator"
        sizes.divisible(component, image, 2)
        sizes.at_least(component, 1, width=width, code=code)
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
