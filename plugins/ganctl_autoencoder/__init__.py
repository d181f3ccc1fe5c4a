"""A discriminator that is an autoencoder. A high reconstruction error marks an image as fake."""

from __future__ import annotations

import ganctl


@ganctl.hookimpl
def register_discriminators(register: ganctl.Register) -> None:
    register(
        "autoencoder",
        "ganctl_autoencoder.network:Autoencoder",
        summary="Autoencoder for the losses began and ebgan; even sides",
    )
