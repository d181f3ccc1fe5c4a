"""The classic objectives of G and D, one class a paper."""

from __future__ import annotations

import ganctl


@ganctl.hookimpl
def register_losses(register: ganctl.Register) -> None:
    register(
        "bce",
        "ganctl_losses.cross_entropy:BCE",
        summary="Binary cross-entropy, non-saturating G (Goodfellow et al. 2014)",
    )
    register(
        "minimax",
        "ganctl_losses.cross_entropy:Minimax",
        summary="Binary cross-entropy as one minimax game, saturating G (Goodfellow et al. 2014)",
    )
    register("lsgan", "ganctl_losses.lsgan:LSGAN", summary="Least squares (Mao et al. 2017)")
    register("hinge", "ganctl_losses.hinge:Hinge", summary="Hinge (Lim & Ye 2017)")
