"""The residual networks of WGAN-GP, SNGAN and cGAN-PD."""

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

    z is projected to a feature map of 4 to 7 pixels. Each residual block doubles the size: BN, ReLU, nearest-neighbor
    ×2 upsampling, 3×3 convolution, BN, ReLU, 3×3 convolution, plus a 1×1 convolution of the input. The output layer is
    BN, ReLU, a 3×3 convolution and tanh. At 32×32×3 with ``latent.dim`` 128, the network has 4,276,739 parameters.
    ``G(z, y)`` takes z, float N×``latent.dim``, and returns float N×C×H×W in [−1, 1].

    Args:
        width: channels of the layer next to the image. By default, 256 up to 32 pixels and 64 for larger images.
        max_width: maximum number of channels. The number doubles with each block away from the image. By default, equal
            to width up to 32 pixels (all blocks have the same width) and 1024 for larger images.
        spectral_norm: divide the weights of each layer by their largest singular value.

    Raises:
        GanctlError: if doublings from 4 to 7 pixels cannot reach the image size, or an option is out of range.
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

    The two normalizations of each block, BN(x)·γ_y + β_y, have a scale and a shift per class. ``G(z, y)`` takes z,
    float N×``latent.dim``, and y, int64 N, and returns float N×C×H×W in [−1, 1].

    Args:
        width: channels of the layer next to the image. By default, 256 up to 32 pixels and 64 for larger images.
        max_width: maximum number of channels. The number doubles with each block away from the image. By default, equal
            to width up to 32 pixels (all blocks have the same width) and 1024 for larger images.
        spectral_norm: divide the weights of each layer by their largest singular value.

    Raises:
        GanctlError: if the data has no labels, doublings from 4 to 7 pixels cannot reach the image size, or an option
            is out of range.
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
    """Gulrajani et al. 2017 (arXiv:1704.00028) and, with other options, Miyato et al. 2018 (arXiv:1802.05957).

    Residual blocks with two 3×3 convolutions, without activation normalization, halve the size by 2×2 average pooling;
    ReLU, pooling and one logit follow. Up to 32 pixels, there are two halvings and two blocks that keep the size. For
    larger images, the size is halved until it is at most 4 pixels or odd, and one block keeps the size. At 32×32×3,
    the network has 1,053,825 parameters. ``D(x, y)`` takes x, float N×C×H×W in [−1, 1], and returns float32 N.

    Args:
        width: channels of the layer next to the image. By default, 128 up to 32 pixels and 64 for larger images.
        max_width: maximum number of channels. The number doubles with each block away from the image. By default, equal
            to width up to 32 pixels (all blocks have the same width) and 1024 for larger images.
        spectral_norm: divide the weights of each layer by their largest singular value, as SNGAN does.
        pool: pooling over positions before the logit: mean, as in WGAN-GP, or sum, as in SNGAN.

    Raises:
        GanctlError: if doublings from 4 to 7 pixels cannot reach the image size, or an option is out of range.
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
    """The ``resnet`` discriminator with the label projection of Miyato & Koyama 2018 (arXiv:1802.05637), eq. 4.

    D(x, y) = e_y·φ(x) + w·φ(x) + b, where φ(x) is the pooled output of the blocks and e a class embedding.
    ``D(x, y)`` takes x, float N×C×H×W in [−1, 1], and y, int64 N, and returns float32 N.

    Args:
        width: channels of the layer next to the image. By default, 128 up to 32 pixels and 64 for larger images.
        max_width: maximum number of channels. The number doubles with each block away from the image. By default, equal
            to width up to 32 pixels (all blocks have the same width) and 1024 for larger images.
        spectral_norm: divide the weights of each layer, including the embedding, by their largest singular value.
        pool: pooling over positions before the logit: sum or mean.

    Raises:
        GanctlError: if the data has no labels, doublings from 4 to 7 pixels cannot reach the image size, or an option
            is out of range.
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
