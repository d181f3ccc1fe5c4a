"""Wasserstein GANs with fully connected, convolutional and residual networks."""

from __future__ import annotations

from collections.abc import Callable

import ganctl
from ganctl import Spec


@ganctl.hookimpl
def register_models(register: Callable[[ganctl.Model], None]) -> None:
    # D has no BatchNorm, because the losses need the gradient of D for each image separately.
    for suffix, kind, G, D in (
        ("", "fully connected", Spec("mlp", hidden=(128, 256, 512, 1024)), Spec("mlp", hidden=(512, 256))),
        ("-dcgan", "convolutional", Spec("dcgan"), Spec("dcgan", norm="none")),
    ):
        rmsprop = Spec("rmsprop", lr=5e-5)
        register(
            ganctl.Model(
                name=f"wgan{suffix}",
                summary=f"Wasserstein GAN with weight clipping; {kind}",
                generator=G,
                discriminator=D,
                loss=Spec("wgan", clip=0.01),
                g_optimizer=rmsprop,
                d_optimizer=rmsprop,
                n_critic=5,
                batch_size=64,
                paper="Arjovsky et al. 2017, arXiv:1701.07875",
            )
        )
        adam = Spec("adam", lr=1e-4, betas=(0.0, 0.9))
        register(
            ganctl.Model(
                name=f"wgan-gp{suffix}",
                summary=f"Wasserstein GAN with gradient penalty; {kind}",
                generator=G,
                discriminator=D,
                loss=Spec("wgan-gp", gp_weight=10.0),
                g_optimizer=adam,
                d_optimizer=adam,
                n_critic=5,
                batch_size=64,
                paper="Gulrajani et al. 2017, arXiv:1704.00028",
            )
        )
        adam = Spec("adam", lr=2e-4, betas=(0.5, 0.999))
        register(
            ganctl.Model(
                name=f"wgan-div{suffix}",
                summary=f"Wasserstein divergence GAN; {kind}",
                generator=G,
                discriminator=D,
                loss=Spec("wgan-div", k=2.0, p=6.0),
                g_optimizer=adam,
                d_optimizer=adam,
                n_critic=5,
                batch_size=64,
                paper="Wu et al. 2018, arXiv:1712.01026",
            )
        )
    adam = Spec("adam", lr=2e-4, betas=(0.0, 0.9))
    register(
        ganctl.Model(
            name="wgan-gp-resnet",
            summary="Wasserstein GAN with gradient penalty; the ResNets from the paper's CIFAR-10 experiment",
            generator=Spec("resnet"),
            discriminator=Spec("resnet", pool="mean"),
            loss=Spec("wgan-gp", gp_weight=10.0),
            g_optimizer=adam,
            d_optimizer=adam,
            latent=Spec("normal", z_dim=128),
            n_critic=5,
            batch_size=64,
            schedules={"lr": "linear 0"},
            light={"batch_size": 16, "generator.width": 32, "discriminator.width": 32},
            paper="Gulrajani et al. 2017, arXiv:1704.00028",
        )
    )
