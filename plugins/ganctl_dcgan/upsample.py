"""DCGAN with upsampling: the convolutional networks that PyTorch-GAN's scripts share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d

from ganctl import USAGE, GanctlError, ImageShape, Latent, sizes
from ganctl_dcgan.norm import Norm, normalization, spectral


class Generator(nn.Module):
    """z, projected to 128 channels at a quarter of the size, then twice doubled and convolved; tanh.

    ``forward`` takes z, float N×``latent.dim``, and returns float N×C×H×W in [−1, 1]. At 32×32×1 with 100
    inputs: 1,049,985 parameters. Weights of convolutions from N(0, 0.02).

    Args:
        batch_norm_eps: added to the batch variance after the two hidden convolutions. PyTorch-GAN's nets
            have 0.8.

    Raises:
        GanctlError: an image whose sides are not divisible by 4, or an eps that is not positive.
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
    """Four convolutions 3×3 of stride 2 to 16, 32, 64 and 128 channels, then one logit.

    After each: leaky ReLU 0.2, dropout of whole channels, and in all but the first normalization, in this
    order. ``forward`` takes x, float N×C×H×W in [−1, 1], and returns float N. At 32×32×1: 98,113
    parameters. Weights of convolutions from N(0, 0.02).

    Args:
        dropout: share of channels that are dropped, at least 0 and below 1.
        batch_norm_eps: added to the variance, whatever the norm. PyTorch-GAN's nets have 0.8.
        norm: batch normalization as published, or what a gradient penalty needs, as it keeps images apart: layer
            (over all of an image), instance (over each channel of an image) or none. At 16×16 batch cannot tell
            reals from fakes: the last normalization leaves the logits of either batch one mean.
        spectral_norm: divide the weights of each layer by their largest singular value (Miyato et al. 2018).
            Usual with norm=none and dropout=0.

    Raises:
        GanctlError: an image whose sides are not divisible by 16, or an option out of its range.
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
                f"dropout is {dropout}: it must be at least 0 and below 1.", "Usual is 0.25.", status=USAGE
            )
        if norm == "instance" and (image.height, image.width) == (16, 16):
            raise GanctlError(
                "norm=instance leaves nothing of the last layer of 16×16 images, which is a single pixel.",
                "Try norm=layer or --image-size 32.",
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
            self.apply(spectral)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layers(x).squeeze(1)


def upsampled_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Nearest ×2 upsampling of ``x`` and a convolution 3×3 with padding 1, at under half the work.

    The three taps along an axis fall on two pixels of ``x`` only. Summing those that share one leaves a
    transposed convolution 4×4 of stride 2: 4 multiplications an output pixel and channel in place of 9.
    """
    kernel = weight.transpose(0, 1).contiguous(memory_format=torch.channels_last)
    for axis in (2, 3):
        first, middle, last = kernel.split(1, axis)
        kernel = torch.cat([last, middle + last, first + middle, first], axis)
    return conv_transpose2d(x, kernel, bias, stride=2, padding=1)


def _check_eps(eps: float) -> None:
    if not eps > 0:
        raise GanctlError(
            f"batch_norm_eps is {eps}: it must be above 0.", "torch's default is 1e-5.", status=USAGE
        )


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
