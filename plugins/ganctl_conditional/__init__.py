"""Conditional GANs and GANs that learn interpretable codes: cGAN, AC-GAN, InfoGAN."""

from __future__ import annotations

from collections.abc import Callable

import ganctl
from ganctl import Spec


@ganctl.hookimpl
def register_generators(register: ganctl.Register) -> None:
    register(
        "cgan",
        "ganctl_conditional.cgan:Generator",
        summary="Fully connected; concatenates z and a label embedding; needs labels; any image size",
    )
    register(
        "acgan",
        "ganctl_conditional.convolutional:ACGANGenerator",
        summary="Upsampling and convolutions; multiplies z by a label embedding; needs labels; sides divisible by 4",
    )


@ganctl.hookimpl
def register_discriminators(register: ganctl.Register) -> None:
    register(
        "cgan",
        "ganctl_conditional.cgan:Discriminator",
        summary="Fully connected; concatenates the image and a label embedding; needs labels; any image size",
    )
    register(
        "acgan",
        "ganctl_conditional.convolutional:ACGANDiscriminator",
        summary="Convolutions with a logit head and a class head; needs labels; sides divisible by 16",
    )
    register(
        "infogan",
        "ganctl_conditional.convolutional:InfoGANDiscriminator",
        summary="Convolutions with a logit head and a code head; needs the latent codes; sides divisible by 16",
    )


@ganctl.hookimpl
def register_models(register: Callable[[ganctl.Model], None]) -> None:
    adam = Spec("adam", lr=2e-4, betas=(0.5, 0.999))
    register(
        ganctl.Model(
            name="cgan",
            summary="Fully connected conditional GAN, as in PyTorch-GAN's cgan.py",
            generator=Spec("cgan"),
            discriminator=Spec("cgan"),
            loss=Spec("lsgan"),
            g_optimizer=adam,
            d_optimizer=adam,
            batch_size=64,
            paper="Mirza & Osindero 2014, arXiv:1411.1784",
        )
    )
    register(
        ganctl.Model(
            name="acgan",
            summary="Convolutional GAN whose D also classifies images, as in PyTorch-GAN's acgan.py",
            generator=Spec("acgan"),
            discriminator=Spec("acgan"),
            loss=Spec("acgan"),
            g_optimizer=adam,
            d_optimizer=adam,
            batch_size=64,
            image_size=32,
            paper="Odena et al. 2017, arXiv:1610.09585",
        )
    )
    register(
        ganctl.Model(
            name="infogan",
            summary="Convolutional GAN that learns classes and styles without labels, as in PyTorch-GAN's infogan.py",
            generator=Spec("dcgan-upsample"),
            discriminator=Spec("infogan"),
            loss=Spec("infogan"),
            g_optimizer=adam,
            d_optimizer=adam,
            latent=Spec("codes"),
            batch_size=64,
            image_size=32,
            paper="Chen et al. 2016, arXiv:1606.03657",
        )
    )
