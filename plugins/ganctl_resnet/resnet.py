"""Residual networks without attention: WGAN-GP's, SNGAN's and cGAN-PD's."""

from __future__ import annotations

from torch import nn

from ganctl import ImageShape, Latent
from ganctl_resnet import networks
from ganctl_resnet.networks import Pool


def generator(
    image: ImageShape,
    latent: Latent,
    width: int | None = None,
    max_width: int | None = None,
    spectral_norm: bool = False,
) -> nn.Module:
    """Gulrajani et al. 2017 (arXiv:1704.00028) and Miyato et al. 2018 (arXiv:1802.05957, tables 3 to 5).

    z, projected to a start of 4 to 7 pixels; one residual block a doubling (BN, ReLU, nearest neighbor ×2,
    conv 3×3, BN, ReLU, conv 3×3, plus the input through a 1×1 convolution); BN, ReLU, conv 3×3, tanh. At 32×32×3
    with 128 inputs: 4,276,739 parameters. ``G(z, y)`` takes z, float N×``latent.dim``, and returns float N×C×H×W
    in [−1, 1].

    Args:
        width: channels next to the image. Unless given, 256 up to 32 pixels, 64 above.
        max_width: each block further in has twice as many channels, up to this. Unless given, as many as width up
            to 32 pixels (all blocks alike), 1024 above.
        spectral_norm: divide the weights of each layer by their largest singular value.

    Raises:
        GanctlError: a size that doublings from 4 to 7 pixels cannot reach, or an option out of its range.
    """
    return networks.Generator(
        "resnet generator", image, latent.dim, width, max_width, spectral_norm=spectral_norm
    )


def conditional_generator(
    image: ImageShape,
    latent: Latent,
    num_classes: int,
    width: int | None = None,
    max_width: int | None = None,
    spectral_norm: bool = False,
) -> nn.Module:
    """The ``resnet`` generator with conditional batch normalization (Miyato & Koyama 2018, arXiv:1802.05637).

    Each block's two normalizations, BN(x)·γ_y + β_y, have a scale and a shift for each class. ``G(z, y)`` takes z,
    float N×``latent.dim``, and y, int64 N, and returns float N×C×H×W in [−1, 1].

    Args:
        width: channels next to the image. Unless given, 256 up to 32 pixels, 64 above.
        max_width: each block further in has twice as many channels, up to this. Unless given, as many as width up
            to 32 pixels (all blocks alike), 1024 above.
        spectral_norm: divide the weights of each layer by their largest singular value.

    Raises:
        GanctlError: data without labels, a size that doublings from 4 to 7 pixels cannot reach, or an option out
            of its range.
    """
    return networks.Generator(
        "resnet-cbn generator",
        image,
        latent.dim,
        width,
        max_width,
        num_classes=num_classes,
        spectral_norm=spectral_norm,
    )


def discriminator(
    image: ImageShape,
    width: int | None = None,
    max_width: int | None = None,
    spectral_norm: bool = False,
    pool: Pool = "mean",
) -> nn.Module:
    """The critic of Gulrajani et al. 2017 (arXiv:1704.00028) and, with other options, SNGAN's (arXiv:1802.05957).

    Residual blocks of two convolutions 3×3 without normalization of activations, halving by a mean over 2×2; ReLU,
    pooling, one logit. Up to 32 pixels two halvings and two blocks that keep the size, above as many halvings
    as leave at most 4 pixels or an odd number, and one block that keeps it. At 32×32×3: 1,053,825 parameters.
    ``D(x, y)`` takes x, float N×C×H×W in [−1, 1], and returns float32 N.

    Args:
        width: channels next to the image. Unless given, 128 up to 32 pixels, 64 above.
        max_width: each block further in has twice as many channels, up to this. Unless given, as many as width up
            to 32 pixels (all blocks alike), 1024 above.
        spectral_norm: divide the weights of each layer by their largest singular value, as SNGAN does.
        pool: over positions, before the logit: mean, as WGAN-GP has it, or sum, as SNGAN has it.

    Raises:
        GanctlError: a size that doublings from 4 to 7 pixels cannot reach, or an option out of its range.
    """
    return networks.Discriminator(
        "resnet discriminator", image, width, max_width, pool=pool, spectral_norm=spectral_norm
    )


def projection_discriminator(
    image: ImageShape,
    num_classes: int,
    width: int | None = None,
    max_width: int | None = None,
    spectral_norm: bool = True,
    pool: Pool = "sum",
) -> nn.Module:
    """The ``resnet`` discriminator with a projection, Miyato & Koyama 2018 (arXiv:1802.05637), equation 4.

    D(x, y) = e_y·φ(x) + w·φ(x) + b, where φ is what the blocks make of x, pooled, and e an embedding of the
    classes. ``D(x, y)`` takes x, float N×C×H×W in [−1, 1], and y, int64 N, and returns float32 N.

    Args:
        width: channels next to the image. Unless given, 128 up to 32 pixels, 64 above.
        max_width: each block further in has twice as many channels, up to this. Unless given, as many as width up
            to 32 pixels (all blocks alike), 1024 above.
        spectral_norm: divide the weights of each layer, the embedding too, by their largest singular value.
        pool: over positions, before the logit: sum or mean.

    Raises:
        GanctlError: data without labels, a size that doublings from 4 to 7 pixels cannot reach, or an option out
            of its range.
    """
    return networks.Discriminator(
        "resnet-projection discriminator",
        image,
        width,
        max_width,
        pool=pool,
        num_classes=num_classes,
        spectral_norm=spectral_norm,
    )
