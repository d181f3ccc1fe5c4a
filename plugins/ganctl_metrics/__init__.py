"""How good the pictures are, in numbers."""

from __future__ import annotations

import ganctl


@ganctl.hookimpl
def register_metrics(register: ganctl.Register) -> None:
    register(
        "swd",
        "ganctl_metrics.swd:SlicedWasserstein",
        summary="Sliced Wasserstein distance (Karras et al. 2018)",
    )
