"""Residual GANs."""

from __future__ import annotations

from collections.abc import Callable

import ganctl
from ganctl import Spec


@ganctl.hookimpl
def register_generators(register: ganctl.Register) -> None:
    sides = "sides of 4 to 7 times a power of two"
    register("resnet", "ganctl_resnet.resnet:generator", summary=f"Residual blocks; {sides}")
    register(
        "resnet-cbn",
        "ganctl_resnet.resnet:conditional_generator",
        summary=f"Residual blocks with conditional batch normalization; needs labels; {sides}",
    )
    register(
        "sagan", "ganctl_resnet.sagan:generator", summary=f"Residual blocks with self-attention; {sides}"
    )
    register(
        "sagan-cbn",
        "ganctl_resnet.sagan:conditional_generator",
        summary=f"sagan with conditional batch normalization; needs labels; {sides}",
    )


@ganctl.hookimpl
def register_discriminators(register: ganctl.Register) -> None:
    sides = "sides of 4 to 7 times a power of two"
    register(
        "resnet",
        "ganctl_resnet.resnet:discriminator",
        summary=f"Residual blocks without normalization; {sides}",
    )
    register(
        "resnet-projection",
        "ganctl_resnet.resnet:projection_discriminator",
        summary=f"Residual blocks with a label projection; needs labels; {sides}",
    )
    register(
        "sagan", "ganctl_resnet.sagan:discriminator", summary=f"Residual blocks with self-attention; {sides}"
    )
    register(
        "sagan-projection",
        "ganctl_resnet.sagan:projection_discriminator",
        summary=f"sagan with a label projection; needs labels; {sides}",
    )


@ganctl.hookimpl
def register_models(register: Callable[[ganctl.Model], None]) -> None:
    adam = Spec("adam", lr=2e-4, betas=(0.0, 0.9))
    register(
        ganctl.Model(
            name="sngan",
            summary="ResNets with spectral normalization of D and the hinge loss",
            generator=Spec("resnet"),
            discriminator=Spec("resnet", spectral_norm=True, pool="sum"),
            loss=Spec("hinge"),
            g_optimizer=adam,
            d_optimizer=adam,
            latent=Spec("normal", z_dim=128),
            n_critic=5,
            batch_size=64,
            schedules={"lr": "linear 0"},
            light={"batch_size": 16, "generator.width": 32, "discriminator.width": 32},
            paper="Miyato et al. 2018, arXiv:1802.05957",
        )
    )
    register(
        ganctl.Model(
            name="cgan-pd",
            summary="SNGAN with labels: conditional batch normalization in G, a label projection in D",
            generator=Spec("resnet-cbn"),
            discriminator=Spec("resnet-projection"),
            loss=Spec("hinge"),
            g_optimizer=adam,
            d_optimizer=adam,
            latent=Spec("normal", z_dim=128),
            n_critic=5,
            batch_size=64,
            schedules={"lr": "linear 0"},
            light={"batch_size": 16, "generator.width": 32, "discriminator.width": 32},
            paper="Miyato & Koyama 2018, arXiv:1802.05637",
        )
    )
    register(
        ganctl.Model(
            name="sagan",
            summary="cGAN-PD with self-attention, spectral normalization of G and D, and two learning rates",
            generator=Spec("sagan-cbn"),
            discriminator=Spec("sagan-projection"),
            loss=Spec("hinge"),
            g_optimizer=Spec("adam", lr=1e-4, betas=(0.0, 0.9)),
            d_optimizer=Spec("adam", lr=4e-4, betas=(0.0, 0.9)),
            latent=Spec("normal", z_dim=128),
            ema=50_000,
            batch_size=256,
            light={"batch_size": 32, "generator.width": 16, "discriminator.width": 16},
            paper="Zhang et al. 2019, arXiv:1805.08318",
        )
    )
