"""Residual networks with self-attention and spectral normalization on both sides: SAGAN's."""

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
    """Zhang et al. 2019 (arXiv:1805.08318), without classes: ``sagan-cbn`` is the paper's own.

    The ``resnet`` generator with spectral normalization and self-attention, y = γ·o + x, over one of its feature
    maps; γ begins at 0. ``G(z, y)`` takes z, float N×``latent.dim``, and returns float N×C×H×W in [−1, 1].

    Args:
        width: channels next to the image. Unless given, 256 up to 32 pixels, 64 above.
        max_width: each block further in has twice as many channels, up to this. Unless given, as many as width up
            to 32 pixels (all blocks alike), 1024 above.
        attention: short side of the feature map that attends, in pixels: the largest of at most this and below the
            image's own. Its cost grows with the fourth power.
        spectral_norm: divide the weights of each layer by their largest singular value.

    Raises:
        GanctlError: a size that doublings from 4 to 7 pixels cannot reach, or an option out of its range.
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
        width: channels next to the image. Unless given, 256 up to 32 pixels, 64 above.
        max_width: each block further in has twice as many channels, up to this. Unless given, as many as width up
            to 32 pixels (all blocks alike), 1024 above.
        attention: short side of the feature map that attends, in pixels: the largest of at most this and below the
            image's own. Its cost grows with the fourth power.
        spectral_norm: divide the weights of each layer by their largest singular value.

    Raises:
        GanctlError: data without labels, a size that doublings from 4 to 7 pixels cannot reach, or an option out
            of its range.
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
    """Zhang et al. 2019 (arXiv:1805.08318), without classes: ``sagan-projection`` is the paper's own.

    The ``resnet`` discriminator with spectral normalization, sum-pooling and self-attention over one of its feature
    maps. ``D(x, y)`` takes x, float N×C×H×W in [−1, 1], and returns float32 N.

    Args:
        width: channels next to the image. Unless given, 128 up to 32 pixels, 64 above.
        max_width: each block further in has twice as many channels, up to this. Unless given, as many as width up
            to 32 pixels (all blocks alike), 1024 above.
        attention: short side of the feature map that attends, in pixels: the largest of at most this and below the
            image's own. Its cost grows with the fourth power.
        spectral_norm: divide the weights of each layer by their largest singular value.

    Raises:
        GanctlError: a size that doublings from 4 to 7 pixels cannot reach, or an option out of its range.
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
        width: channels next to the image. Unless given, 128 up to 32 pixels, 64 above.
        max_width: each block further in has twice as many channels, up to this. Unless given, as many as width up
            to 32 pixels (all blocks alike), 1024 above.
        attention: short side of the feature map that attends, in pixels: the largest of at most this and below the
            image's own. Its cost grows with the fourth power.
        spectral_norm: divide the weights of each layer, the embedding too, by their largest singular value.

    Raises:
        GanctlError: data without labels, a size that doublings from 4 to 7 pixels cannot reach, or an option out
            of its range.
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
