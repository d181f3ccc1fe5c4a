"""Fully connected GANs."""

from __future__ import annotations

from collections.abc import Callable

import ganctl
from ganctl import Spec


@ganctl.hookimpl
def register_generators(register: ganctl.Register) -> None:
    register("mlp", "ganctl_gan.networks:Generator", summary="Fully connected layers; any image size")


@ganctl.hookimpl
def register_discriminators(register: ganctl.Register) -> None:
    register("mlp", "ganctl_gan.networks:Discriminator", summary="Fully connected layers; any image size")


@ganctl.hookimpl
def register_models(register: Callable[[ganctl.Model], None]) -> None:
    adam = Spec("adam", lr=2e-4, betas=(0.5, 0.999))
    register(
        ganctl.Model(
            name="gan-basic",
            summary="The smallest GAN that generates digits: one hidden layer of 128 units in each network",
            generator=Spec("mlp", hidden=(128,), batch_norm=False),
            discriminator=Spec("mlp", hidden=(128,)),
            loss=Spec("bce"),
            g_optimizer=adam,
            d_optimizer=adam,
            batch_size=64,
            paper="Goodfellow et al. 2014, arXiv:1406.2661",
        )
    )
    register(
        ganctl.Model(
            name="gan",
            summary="Fully connected GAN with batch normalization, as in PyTorch-GAN's gan.py",
            generator=Spec("mlp", hidden=(128, 256, 512, 1024)),
            discriminator=Spec("mlp", hidden=(512, 256)),
            loss=Spec("bce"),
            g_optimizer=adam,
            d_optimizer=adam,
            batch_size=64,
            paper="Goodfellow et al. 2014, arXiv:1406.2661",
        )
    )
