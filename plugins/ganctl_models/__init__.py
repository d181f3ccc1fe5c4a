"""Models that differ from gan or dcgan mainly in the loss, which allows comparisons."""

from __future__ import annotations

from collections.abc import Callable

import ganctl
from ganctl import Spec


@ganctl.hookimpl
def register_models(register: Callable[[ganctl.Model], None]) -> None:
    adam = Spec("adam", lr=2e-4, betas=(0.5, 0.999))

    def convolutional(name: str, loss: str, summary: str, paper: str, **discriminator: str) -> None:
        """Register a model with the networks and optimizers of dcgan."""
        register(
            ganctl.Model(
                name=name,
                summary=summary,
                generator=Spec("dcgan"),
                discriminator=Spec("dcgan", **discriminator),
                loss=Spec(loss),
                g_optimizer=adam,
                d_optimizer=adam,
                ema=10_000,
                batch_size=128,
                paper=paper,
            )
        )

    def fully_connected(name: str, loss: str, summary: str, paper: str) -> None:
        """Register a model with the networks and optimizers of gan."""
        register(
            ganctl.Model(
                name=name,
                summary=summary,
                generator=Spec("mlp", hidden=(128, 256, 512, 1024)),
                discriminator=Spec("mlp", hidden=(512, 256)),
                loss=Spec(loss),
                g_optimizer=adam,
                d_optimizer=adam,
                batch_size=64,
                paper=paper,
            )
        )

    convolutional(
        "lsgan",
        "lsgan",
        "DCGAN with least squares instead of cross-entropy",
        "Mao et al. 2017, arXiv:1611.04076",
    )
    convolutional("hinge-gan", "hinge", "DCGAN with the hinge loss", "Lim & Ye 2017, arXiv:1705.02894")
    convolutional(
        "dragan",
        "dragan",
        "DCGAN with a gradient penalty around real images",
        "Kodali et al. 2017, arXiv:1705.07215",
        norm="none",
    )
    convolutional(
        "rgan",
        "relativistic",
        "Relativistic GAN, which compares each real image with a fake",
        "Jolicoeur-Martineau 2018, arXiv:1807.00734",
    )
    convolutional(
        "ragan",
        "relativistic-average",
        "Relativistic average GAN, which compares each image with the mean of the opposite kind",
        "Jolicoeur-Martineau 2018, arXiv:1807.00734",
    )
    fully_connected(
        "softmax-gan",
        "softmax",
        "Softmax GAN with one softmax over real and fake images; fully connected",
        "Lin 2017, arXiv:1704.06191",
    )
    fully_connected(
        "bgan", "bgan", "Boundary-seeking GAN; fully connected", "Hjelm et al. 2018, arXiv:1702.08431"
    )
    for name, summary, loss, D, paper in (
        (
            "began",
            "Boundary equilibrium GAN with an autoencoder as D, as in PyTorch-GAN's began.py",
            Spec("began", gamma=0.75),
            Spec("autoencoder"),
            "Berthelot et al. 2017, arXiv:1703.10717",
        ),
        (
            "ebgan",
            "Energy-based GAN with an autoencoder as D, as in PyTorch-GAN's ebgan.py",
            Spec("ebgan", margin=1.0, pull_away=0.1),
            Spec("autoencoder", with_code=True),
            "Zhao et al. 2017, arXiv:1609.03126",
        ),
    ):
        register(
            ganctl.Model(
                name=name,
                summary=summary,
                generator=Spec("dcgan-upsample"),
                discriminator=D,
                loss=loss,
                g_optimizer=adam,
                d_optimizer=adam,
                latent=Spec("normal", z_dim=62),
                batch_size=64,
                image_size=32,
                paper=paper,
            )
        )
