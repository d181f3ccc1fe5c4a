"""Factories of the registered generators and discriminators."""

from __future__ import annotations

from torch import nn

from ganctl import ImageShape, Latent
from ganctl_r3gan import networks


def generator(
    image: ImageShape,
    latent: Latent,
    width: int = 64,
    max_width: int = 256,
    blocks: int = 2,
    group_size: int = 16,
    expansion: int = 2,
) -> nn.Module:
    """Huang et al. 2024, "The GAN is dead; long live the GAN!" (arXiv:2501.05441), configuration E, without classes.

    A learned basis C×4×4 (up to 7×7, depending on the image size) is scaled by a linear map of z. Each size has a
    stage of residual blocks with an inverted bottleneck (1×1 convolution, grouped 3×3 convolution, 1×1 convolution,
    leaky ReLU 0.2), without normalization and with Fixup-like initialization. Between stages, a bilinear filter doubles
    the size. The output layer is a 1×1 convolution without tanh, so x is not limited to [−1, 1]. Saved samples are
    clipped. The defaults suit a CPU. The paper's networks for CIFAR-10 have width=768 and max_width=768. ``G(z, y)``
    takes z, float N×``latent.dim``, and returns float N×C×H×W.

    Args:
        width: channels of the stage next to the image. The number doubles with each stage away from the image.
        max_width: maximum number of channels of any stage.
        blocks: number of residual blocks per stage.
        group_size: channels per group of the grouped convolutions.
        expansion: ratio of the channels inside a block to the channels of the stage.

    Raises:
        GanctlError: if doublings from 4 to 7 pixels cannot reach the image size, or an option is out of range.
    """
    return networks.Generator(
        "r3gan generator",
        image,
        latent.dim,
        width=width,
        max_width=max_width,
        blocks=blocks,
        group_size=group_size,
        expansion=expansion,
    )


def conditional_generator(
    image: ImageShape,
    latent: Latent,
    num_classes: int,
    width: int = 64,
    max_width: int = 256,
    blocks: int = 2,
    group_size: int = 16,
    expansion: int = 2,
) -> nn.Module:
    """Huang et al. 2024 (arXiv:2501.05441): the ``r3gan`` generator of z concatenated with a class embedding.

    The embedding has ``latent.dim`` dimensions, as in the paper's network for CIFAR-10. ``G(z, y)`` takes z, float
    N×``latent.dim``, and y, int64 N, and returns float N×C×H×W, which is not limited to [−1, 1].

    Args:
        width: channels of the stage next to the image. The number doubles with each stage away from the image.
        max_width: maximum number of channels of any stage.
        blocks: number of residual blocks per stage.
        group_size: channels per group of the grouped convolutions.
        expansion: ratio of the channels inside a block to the channels of the stage.

    Raises:
        GanctlError: if the data has no labels, doublings from 4 to 7 pixels cannot reach the image size, or an option
            is out of range.
    """
    return networks.Generator(
        "r3gan-conditional generator",
        image,
        latent.dim,
        width=width,
        max_width=max_width,
        blocks=blocks,
        group_size=group_size,
        expansion=expansion,
        num_classes=num_classes,
    )


def discriminator(
    image: ImageShape,
    width: int = 64,
    max_width: int = 256,
    blocks: int = 2,
    group_size: int = 16,
    expansion: int = 2,
) -> nn.Module:
    """Huang et al. 2024 (arXiv:2501.05441), configuration E, without classes: the mirrored ``r3gan`` generator.

    A 1×1 convolution of the image is followed by stages of residual blocks, with a bilinear filter that halves the size
    between stages; a depthwise convolution over the remaining 4×4 (up to 7×7) pixels; and a linear map to the logit.
    The defaults suit a CPU. The paper's networks for CIFAR-10 have width=768 and max_width=768. ``D(x, y)`` takes x,
    float N×C×H×W, and returns float32 N.

    Args:
        width: channels of the stage next to the image. The number doubles with each stage away from the image.
        max_width: maximum number of channels of any stage.
        blocks: number of residual blocks per stage.
        group_size: channels per group of the grouped convolutions.
        expansion: ratio of the channels inside a block to the channels of the stage.

    Raises:
        GanctlError: if doublings from 4 to 7 pixels cannot reach the image size, or an option is out of range.
    """
    return networks.Discriminator(
        "r3gan discriminator",
        image,
        width=width,
        max_width=max_width,
        blocks=blocks,
        group_size=group_size,
        expansion=expansion,
    )


def conditional_discriminator(
    image: ImageShape,
    num_classes: int,
    width: int = 64,
    max_width: int = 256,
    blocks: int = 2,
    group_size: int = 16,
    expansion: int = 2,
) -> nn.Module:
    """Huang et al. 2024 (arXiv:2501.05441): the ``r3gan`` discriminator with a label projection.

    The logit is the dot product of the features and the class embedding.

    ``D(x, y)`` takes x, float N×C×H×W, and y, int64 N, and returns float32 N.

    Args:
        width: channels of the stage next to the image. The number doubles with each stage away from the image.
        max_width: maximum number of channels of any stage.
        blocks: number of residual blocks per stage.
        group_size: channels per group of the grouped convolutions.
        expansion: ratio of the channels inside a block to the channels of the stage.

    Raises:
        GanctlError: if the data has no labels, doublings from 4 to 7 pixels cannot reach the image size, or an option
            is out of range.
    """
    return networks.Discriminator(
        "r3gan-conditional discriminator",
        image,
        width=width,
        max_width=max_width,
        blocks=blocks,
        group_size=group_size,
        expansion=expansion,
        num_classes=num_classes,
    )
