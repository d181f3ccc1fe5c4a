"""What the registered names mean."""

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

    A learnt basis C×4×4 (up to 7 pixels, as the size asks) weighted by a linear map of z; then, a stage for each
    doubling, residual blocks of an inverted bottleneck (conv 1×1, grouped conv 3×3, conv 1×1, leaky ReLU 0.2), no
    normalization, Fixup-like initialization; doubling by a bilinear filter; conv 1×1 to the image, without tanh:
    nothing keeps x within [−1, 1] but D, and pictures are clipped. The defaults are small enough for a CPU; the paper's
    networks for CIFAR-10 have width=768 and max_width=768. ``G(z, y)`` takes z, float N×``latent.dim``, and returns
    float N×C×H×W.

    Args:
        width: channels next to the image; each stage further in has twice as many.
        max_width: no stage has more channels than this.
        blocks: residual blocks in each stage.
        group_size: channels in each group of the grouped convolutions.
        expansion: how many times wider a block is inside.

    Raises:
        GanctlError: a size that doublings from 4 to 7 pixels cannot reach, or an option out of its range.
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
    """The ``r3gan`` generator with an embedding of the class, as long as z, beside z: the paper's for CIFAR-10.

    ``G(z, y)`` takes z, float N×``latent.dim``, and y, int64 N, and returns float N×C×H×W, not kept within [−1, 1].

    Args:
        width: channels next to the image; each stage further in has twice as many.
        max_width: no stage has more channels than this.
        blocks: residual blocks in each stage.
        group_size: channels in each group of the grouped convolutions.
        expansion: how many times wider a block is inside.

    Raises:
        GanctlError: data without labels, a size that doublings from 4 to 7 pixels cannot reach, or an option out
            of its range.
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
    """Huang et al. 2024 (arXiv:2501.05441), configuration E, without classes: the ``r3gan`` generator turned round.

    conv 1×1 from the image; residual blocks and halvings by a bilinear filter; a convolution of each channel alone
    over the 4×4 (up to 7×7) pixels that are left; a linear map to the logit. The defaults are small enough for a CPU;
    the paper's networks for CIFAR-10 have width=768 and max_width=768. ``D(x, y)`` takes x, float N×C×H×W, and returns
    float32 N.

    Args:
        width: channels next to the image; each stage further in has twice as many.
        max_width: no stage has more channels than this.
        blocks: residual blocks in each stage.
        group_size: channels in each group of the grouped convolutions.
        expansion: how many times wider a block is inside.

    Raises:
        GanctlError: a size that doublings from 4 to 7 pixels cannot reach, or an option out of its range.
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
    """The ``r3gan`` discriminator whose logit is the product of its features and the class's embedding.

    ``D(x, y)`` takes x, float N×C×H×W, and y, int64 N, and returns float32 N.

    Args:
        width: channels next to the image; each stage further in has twice as many.
        max_width: no stage has more channels than this.
        blocks: residual blocks in each stage.
        group_size: channels in each group of the grouped convolutions.
        expansion: how many times wider a block is inside.

    Raises:
        GanctlError: data without labels, a size that doublings from 4 to 7 pixels cannot reach, or an option out
            of its range.
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
