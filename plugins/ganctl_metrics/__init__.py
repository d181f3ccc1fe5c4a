"""Metrics of sample quality."""

from __future__ import annotations

import ganctl


@ganctl.hookimpl
def register_metrics(register: ganctl.Register) -> None:
    register(
        "swd",
        "ganctl_metrics.swd:SlicedWasserstein",
        summary="Sliced Wasserstein distance of image patches (Karras et al. 2018)",
    )
