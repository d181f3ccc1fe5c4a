"""DCGAN with upsampling: the convolutional networks shared by PyTorch-GAN's scripts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d

from ganctl import USAGE, GanctlError, ImageShape, Latent, sizes
from ganctl_dcgan.norm import Norm, add_spectral_norm, normalization


class Generator(nn.Module):
    """Project z to 128 channels at a quarter of the size, upsample and convolve twice, and apply tanh.

    ``forward`` takes z, float N×``latent.dim``, and returns float N×C×H×W in [−1, 1]. At 32×32×1 with
    ``latent.dim`` 100, the network has 1,049,985 parameters. The weights of convolutions are initialized from
    N(0, 0.02²).

    Args:
        batch_norm_eps: value added to the batch variance after the two hidden convolutions. PyTorch-GAN's networks
            use 0.8.

    Raises:
        GanctlError: if the sides are not divisible by 4, or ``batch_norm_eps`` is not positive.
    """

    def __init__(self, image: ImageShape, latent: Latent, batch_norm_eps: float = 1e-5) -> None:
        super().__init__()
        sizes.divisible("dcgan-upsample generator", image, 4)
        _check_eps(batch_norm_eps)
        self.start = (128, image.height // 4, image.width // 4)
        self.project = nn.Linear(latent.dim, 128 * self.start[1] * self.start[2])
        self.layers = nn.Sequential(
            nn.BatchNorm2d(128),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(128, 128, 3, padding=1),
            nn.BatchNorm2d(128, eps=batch_norm_eps),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(128, 64, 3, padding=1),
            nn.BatchNorm2d(64, eps=batch_norm_eps),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(64, image.channels, 3, padding=1),
            nn.Tanh(),
        )
        self.apply(_initialize)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        x = self.project(z).view(-1, *self.start)
        layers = iter(self.layers)
        for layer in layers:
            if isinstance(layer, nn.Upsample):
                convolution: Any = next(layers)
                x = upsampled_conv2d(x, convolution.weight, convolution.bias)
            else:
                x = layer(x)
        return x


class Discriminator(nn.Module):
    """Four 3×3 convolutions of stride 2 with 16, 32, 64 and 128 channels, then one logit.

    Each convolution is followed by leaky ReLU 0.2, dropout of whole channels and (except in the first layer)
    normalization. ``forward`` takes x, float N×C×H×W in [−1, 1], and returns float N. At 32×32×1, the network has
    98,113 parameters. The weights of convolutions are initialized from N(0, 0.02²).

    Args:
        dropout: probability of dropping a channel, in [0, 1).
        batch_norm_eps: value added to the variance by each kind of norm. PyTorch-GAN's networks use 0.8.
        norm: batch normalization, as published, or a normalization that does not mix images, as a gradient penalty
            requires: layer (over a whole image), instance (over each channel of an image) or none. Do not
            use batch for 16×16 images: its last layer gives the logits of every batch the same mean, so D cannot
            distinguish reals from fakes.
        spectral_norm: divide the weights of each layer by their largest singular value (Miyato et al. 2018).
            This option is usually combined with norm=none and dropout=0.

    Raises:
        GanctlError: if the sides are not divisible by 16, or an option is out of range.
    """

    def __init__(
        self,
        image: ImageShape,
        dropout: float = 0.25,
        batch_norm_eps: float = 1e-5,
        norm: Norm = "batch",
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        sizes.divisible("dcgan-upsample discriminator", image, 16)
        _check_eps(batch_norm_eps)
        if not 0 <= dropout < 1:
            raise GanctlError(
                f"dropout is {dropout}: it must be in [0, 1).", "Use 0.25, a common value.", status=USAGE
            )
        if norm == "instance" and (image.height, image.width) == (16, 16):
            raise GanctlError(
                "norm=instance sets the last layer for 16×16 images to zero because that layer has only one pixel.",
                "Use norm=layer or --image-size 32.",
                status=USAGE,
            )
        layers: list[nn.Module] = []
        channels = image.channels
        for out in (16, 32, 64, 128):
            layers += [
                nn.Conv2d(channels, out, 3, stride=2, padding=1),
                nn.LeakyReLU(0.2, inplace=True),
                nn.Dropout2d(dropout),
            ]
            if out > 16:
                layers += normalization(norm, out, batch_norm_eps)
            channels = out
        end = (image.height // 16) * (image.width // 16)
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * end, 1))
        self.apply(_initialize)
        if spectral_norm:
            self.apply(add_spectral_norm)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layers(x).squeeze(1)


def upsampled_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Upsample ``x`` ×2 (nearest-neighbor) and apply a 3×3 convolution with padding 1, at less than half the cost.

    The three taps along an axis cover only two pixels of ``x``. Summing the taps that share a pixel gives a 4×4
    transposed convolution of stride 2, which needs 4 instead of 9 multiplications per output pixel and channel.
    """
    kernel = weight.transpose(0, 1).contiguous(memory_format=torch.channels_last)
    for axis in (2, 3):
        first, middle, last = kernel.split(1, axis)
        kernel = torch.cat([last, middle + last, first + middle, first], axis)
    return conv_transpose2d(x, kernel, bias, stride=2, padding=1)


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
