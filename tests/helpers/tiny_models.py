"""Settings that make every registered model tiny."""

from __future__ import annotations

from typing import Any

MLP = {"generator": {"hidden": "16,16"}, "discriminator": {"hidden": "16,16"}}


DCGAN = {"image_size": 8, "generator": {"width": 8}, "discriminator": {"width": 8}}


UPSAMPLE = {"image_size": 16}


RESIDUAL = {"image_size": 8, "generator": {"width": 4}, "discriminator": {"width": 4}}


SMALL_R3GAN = {"width": 8, "blocks": 1}


R3GAN = {"image_size": 8, "generator": SMALL_R3GAN, "discriminator": SMALL_R3GAN}


AUTOENCODER = {"image_size": 8, "discriminator": {"width": 8}}


#: Maps each model to settings that make the model small. Every new model needs an entry.
TINY: dict[str, dict[str, Any]] = {
    "acgan": UPSAMPLE,
    "began": AUTOENCODER,
    "bgan": MLP,
    "cgan": MLP,
    "cgan-pd": RESIDUAL,
    "dcgan": DCGAN,
    "dcgan-small": DCGAN,
    "dcgan-upsample": UPSAMPLE,
    "dragan": DCGAN,
    "ebgan": AUTOENCODER,
    "gan": MLP,
    "gan-basic": MLP,
    "hinge-gan": DCGAN,
    "infogan": UPSAMPLE,
    "lsgan": DCGAN,
    "r3gan": R3GAN,
    "ragan": DCGAN,
    "rgan": DCGAN,
    "sagan": RESIDUAL,
    "sngan": RESIDUAL,
    "softmax-gan": MLP,
    "wgan": {**MLP, "n_critic": 2},  # one model is tested with several D updates per step
    "wgan-dcgan": DCGAN,
    "wgan-div": MLP,
    "wgan-div-dcgan": DCGAN,
    "wgan-gp": MLP,
    "wgan-gp-dcgan": DCGAN,
    "wgan-gp-resnet": RESIDUAL,
}
