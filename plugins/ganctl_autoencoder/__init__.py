"""A discriminator that is an autoencoder: it treats images with a high reconstruction error as fake."""

from __future__ import annotations

import ganctl


@ganctl.hookimpl
def register_discriminators(register: ganctl.Register) -> None:
    register(
        "autoencoder",
        "ganctl_autoencoder.network:Autoencoder",
        summary="Reconstructs the image, for the losses began and ebgan; even sides",
    )
