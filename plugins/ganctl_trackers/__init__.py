"""Where the numbers and pictures of a training are shown, besides its own folder."""

from __future__ import annotations

import ganctl


@ganctl.hookimpl
def register_trackers(register: ganctl.Register) -> None:
    register(
        "tensorboard",
        "ganctl_trackers.tensorboard:TensorBoard",
        summary="Event files: tensorboard --logdir runs",
    )
