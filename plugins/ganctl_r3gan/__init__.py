"""R3GAN (Huang et al. 2024)."""

from __future__ import annotations

from collections.abc import Callable

import ganctl
from ganctl import Spec


@ganctl.hookimpl
def register_generators(register: ganctl.Register) -> None:
    register(
        "r3gan",
        "ganctl_r3gan.factories:generator",
        summary="Grouped residual blocks without normalization; sides of 4 to 7 times a power of two",
    )
    register(
        "r3gan-conditional",
        "ganctl_r3gan.factories:conditional_generator",
        summary="r3gan with z and a label embedding concatenated; needs labels",
    )


@ganctl.hookimpl
def register_discriminators(register: ganctl.Register) -> None:
    register(
        "r3gan",
        "ganctl_r3gan.factories:discriminator",
        summary="Grouped residual blocks without normalization; sides of 4 to 7 times a power of two",
    )
    register(
        "r3gan-conditional",
        "ganctl_r3gan.factories:conditional_discriminator",
        summary="r3gan with a label projection; needs labels",
    )


@ganctl.hookimpl
def register_models(register: Callable[[ganctl.Model], None]) -> None:
    adam = Spec("adam", lr=2e-4, betas=(0.0, 0.9))
    register(
        ganctl.Model(
            name="r3gan",
            summary="Relativistic loss with gradient penalties on reals and fakes; narrow networks by default",
            generator=Spec("r3gan"),
            discriminator=Spec("r3gan"),
            loss=Spec("r3gan", gamma=1.0),
            g_optimizer=adam,
            d_optimizer=adam,
            latent=Spec("normal", z_dim=64),
            ema=10_000,
            batch_size=512,
            # The authors' burn-in: over the first 20 million images, γ decreases to a tenth and the learning rate to a
            # quarter, while the half-life of the EMA increases. Their γ depends on the data: 0.05 for CIFAR-10, 1 for
            # ImageNet at 64×64, 2 for faces at 64×64.
            schedules={
                "lr": "cosine 5e-5 over 20000kimg",
                "loss.gamma": "cosine 0.1 over 20000kimg",
                "ema": "cosine 500000 over 20000kimg",
            },
            light={"batch_size": 32, "generator.width": 16, "discriminator.width": 16},
            paper="Huang et al. 2024, arXiv:2501.05441",
        )
    )
