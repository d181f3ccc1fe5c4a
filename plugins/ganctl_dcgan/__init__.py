"""Convolutional GANs."""

from __future__ import annotations

from collections.abc import Callable

import ganctl
from ganctl import Spec


@ganctl.hookimpl
def register_generators(register: ganctl.Register) -> None:
    register(
        "dcgan",
        "ganctl_dcgan.dcgan:Generator",
        summary="Transposed convolutions, each doubling the size; sides of 4 to 7 times a power of two",
    )
    register(
        "dcgan-upsample",
        "ganctl_dcgan.upsample:Generator",
        summary="Nearest-neighbor upsampling and convolutions; sides divisible by 4",
    )


@ganctl.hookimpl
def register_discriminators(register: ganctl.Register) -> None:
    register(
        "dcgan",
        "ganctl_dcgan.dcgan:Discriminator",
        summary="Strided convolutions, each halving the size; sides of 4 to 7 times a power of two",
    )
    register(
        "dcgan-upsample",
        "ganctl_dcgan.upsample:Discriminator",
        summary="Four strided convolutions with dropout; sides divisible by 16",
    )


@ganctl.hookimpl
def register_models(register: Callable[[ganctl.Model], None]) -> None:
    adam = Spec("adam", lr=2e-4, betas=(0.5, 0.999))
    register(
        ganctl.Model(
            name="dcgan",
            summary="Deep convolutional GAN with good samples at low cost, for 28, 32, 64, 128… pixels",
            generator=Spec("dcgan"),
            discriminator=Spec("dcgan"),
            loss=Spec("bce"),
            g_optimizer=adam,
            d_optimizer=adam,
            # The EMA is not in the paper. It affects only the samples, which are much cleaner after a few epochs.
            ema=10_000,
            batch_size=128,
            paper="Radford et al. 2015, arXiv:1511.06434",
        )
    )
    register(
        ganctl.Model(
            name="dcgan-small",
            summary="Narrow DCGAN with DiffAugment for 50 to 2,000 images; trains in minutes on a CPU",
            generator=Spec("dcgan", width=32),
            discriminator=Spec("dcgan", width=32),
            loss=Spec("bce"),
            g_optimizer=Spec("adam", lr=4e-4, betas=(0.5, 0.999)),
            d_optimizer=Spec("adam", lr=4e-4, betas=(0.5, 0.999)),
            ema=10_000,
            batch_size=32,
            image_size=32,
            # Without augmentation, D memorizes such a small dataset within a few hundred steps.
            augment=Spec("diffaug"),
            paper="Radford et al. 2015, arXiv:1511.06434; Zhao et al. 2020, arXiv:2006.10738",
        )
    )
    register(
        ganctl.Model(
            name="dcgan-upsample",
            summary="DCGAN with upsampling instead of transposed convolutions, as in PyTorch-GAN's dcgan.py",
            generator=Spec("dcgan-upsample"),
            discriminator=Spec("dcgan-upsample"),
            loss=Spec("bce"),
            g_optimizer=adam,
            d_optimizer=adam,
            batch_size=64,
            image_size=32,
            paper="Radford et al. 2015, arXiv:1511.06434",
        )
    )
