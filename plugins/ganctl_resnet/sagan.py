"""The residual networks of SAGAN, with self-attention and spectral normalization of G and D."""

from __future__ import annotations

from torch import nn

from ganctl import ImageShape, Latent
from ganctl_resnet import networks


def generator(
    image: ImageShape,
    latent: Latent,
    width: int | None = None,
    max_width: int | None = None,
    attention: int = 32,
    spectral_norm: bool = True,
) -> nn.Module:
    """Zhang et al. 2019 (arXiv:1805.08318), without classes. The paper's generator is ``sagan-cbn``.

    The ``resnet`` generator with spectral normalization and self-attention, y = γ·o + x, over one of its feature
    maps. γ starts at 0. ``G(z, y)`` takes z, float N×``latent.dim``, and returns float N×C×H×W in [−1, 1].

    Args:
        width: channels of the layer next to the image. By default, 256 up to 32 pixels and 64 for larger images.
        max_width: maximum number of channels. The number doubles with each block away from the image. By default, equal
            to width up to 32 pixels (all blocks have the same width) and 1024 for larger images.
        attention: maximum short side, in pixels, of the feature map with self-attention. The largest such feature map
            that is smaller than the image is used. The cost grows with the fourth power of the side.
        spectral_norm: divide the weights of each layer by their largest singular value.

    Raises:
        GanctlError: if doublings from 4 to 7 pixels cannot reach the image size, or an option is out of range.
    """
    return networks.Generator(
        "sagan generator",
        image,
        latent.dim,
        width,
        max_width,
        spectral_norm=spectral_norm,
        attention=attention,
    )


def conditional_generator(
    image: ImageShape,
    latent: Latent,
    num_classes: int,
    width: int | None = None,
    max_width: int | None = None,
    attention: int = 32,
    spectral_norm: bool = True,
) -> nn.Module:
    """Zhang et al. 2019 (arXiv:1805.08318): the ``sagan`` generator with conditional batch normalization.

    ``G(z, y)`` takes z, float N×``latent.dim``, and y, int64 N, and returns float N×C×H×W in [−1, 1].

    Args:
        width: channels of the layer next to the image. By default, 256 up to 32 pixels and 64 for larger images.
        max_width: maximum number of channels. The number doubles with each block away from the image. By default, equal
            to width up to 32 pixels (all blocks have the same width) and 1024 for larger images.
        attention: maximum short side, in pixels, of the feature map with self-attention. The largest such feature map
            that is smaller than the image is used. The cost grows with the fourth power of the side.
        spectral_norm: divide the weights of each layer by their largest singular value.

    Raises:
        GanctlError: if the data has no labels, doublings from 4 to 7 pixels cannot reach the image size, or an option
            is out of range.
    """
    return networks.Generator(
        "sagan-cbn generator",
        image,
        latent.dim,
        width,
        max_width,
        num_classes=num_classes,
        spectral_norm=spectral_norm,
        attention=attention,
    )


def discriminator(
    image: ImageShape,
    width: int | None = None,
    max_width: int | None = None,
    attention: int = 32,
    spectral_norm: bool = True,
) -> nn.Module:
    """Zhang et al. 2019 (arXiv:1805.08318), without classes. The paper's discriminator is ``sagan-projection``.

    The ``resnet`` discriminator with spectral normalization, sum-pooling and self-attention over one of its feature
    maps. ``D(x, y)`` takes x, float N×C×H×W in [−1, 1], and returns float32 N.

    Args:
        width: channels of the layer next to the image. By default, 128 up to 32 pixels and 64 for larger images.
        max_width: maximum number of channels. The number doubles with each block away from the image. By default, equal
            to width up to 32 pixels (all blocks have the same width) and 1024 for larger images.
        attention: maximum short side, in pixels, of the feature map with self-attention. The largest such feature map
            that is smaller than the image is used. The cost grows with the fourth power of the side.
        spectral_norm: divide the weights of each layer by their largest singular value.

    Raises:
        GanctlError: if doublings from 4 to 7 pixels cannot reach the image size, or an option is out of range.
    """
    return networks.Discriminator(
        "sagan discriminator",
        image,
        width,
        max_width,
        pool="sum",
        spectral_norm=spectral_norm,
        attention=attention,
    )


def projection_discriminator(
    image: ImageShape,
    num_classes: int,
    width: int | None = None,
    max_width: int | None = None,
    attention: int = 32,
    spectral_norm: bool = True,
) -> nn.Module:
    """Zhang et al. 2019 (arXiv:1805.08318): the ``sagan`` discriminator with the projection e_y·φ(x).

    ``D(x, y)`` takes x, float N×C×H×W in [−1, 1], and y, int64 N, and returns float32 N.

    Args:
        width: channels of the layer next to the image. By default, 128 up to 32 pixels and 64 for larger images.
        max_width: maximum number of channels. The number doubles with each block away from the image. By default, equal
            to width up to 32 pixels (all blocks have the same width) and 1024 for larger images.
        attention: maximum short side, in pixels, of the feature map with self-attention. The largest such feature map
            that is smaller than the image is used. The cost grows with the fourth power of the side.
        spectral_norm: divide the weights of each layer, including the embedding, by their largest singular value.

    Raises:
        GanctlError: if the data has no labels, doublings from 4 to 7 pixels cannot reach the image size, or an option
            is out of range.
    """
    return networks.Discriminator(
        "sagan-projection discriminator",
        image,
        width,
        max_width,
        pool="sum",
        num_classes=num_classes,
        spectral_norm=spectral_norm,
        attention=attention,
    )
