"""A plugin to copy. ganctl imports this module at every start, so it names its components by address."""

from __future__ import annotations

from collections.abc import Callable

import ganctl
from ganctl import Spec


@ganctl.hookimpl
def register_losses(register: ganctl.Register) -> None:
    register(
        "example-logistic",
        "ganctl_example.loss:Logistic",
        summary="Cross-entropy with a weight for the fakes",
    )


@ganctl.hookimpl
def register_generators(register: ganctl.Register) -> None:
    register(
        "example-bilinear",
        "ganctl_example.generator:Bilinear",
        summary="Bilinear upsampling and convolutions; sides of 4 to 7 times a power of two",
    )


@ganctl.hookimpl
def register_datasets(register: ganctl.Register) -> None:
    register(
        "example-waves", "ganctl_example.dataset:waves", summary="Gray waves of random direction, no download"
    )


@ganctl.hookimpl
def register_models(register: Callable[[ganctl.Model], None]) -> None:
    adam = Spec("adam", lr=2e-4, betas=(0.5, 0.999))
    register(
        ganctl.Model(
            name="example",
            summary="Bilinear upsampling against DCGAN's discriminator",
            generator=Spec("example-bilinear"),
            discriminator=Spec("dcgan"),
            loss=Spec("example-logistic"),
            g_optimizer=adam,
            d_optimizer=adam,
            batch_size=64,
        )
    )
