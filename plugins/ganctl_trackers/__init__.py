"""Trackers: destinations for the values and images of a training run, in addition to its folder."""

from __future__ import annotations

import ganctl


@ganctl.hookimpl
def register_trackers(register: ganctl.Register) -> None:
    register(
        "tensorboard",
        "ganctl_trackers.tensorboard:TensorBoard",
        summary="TensorBoard event files, shown by: tensorboard --logdir runs",
    )
