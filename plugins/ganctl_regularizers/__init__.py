"""Regularizers: terms that are added to any loss."""

from __future__ import annotations

import ganctl


@ganctl.hookimpl
def register_regularizers(register: ganctl.Register) -> None:
    register(
        "r1", "ganctl_regularizers.gradient:R1", summary="Gradient penalty at reals (Mescheder et al. 2018)"
    )
    register(
        "r2", "ganctl_regularizers.gradient:R2", summary="Gradient penalty at fakes (Mescheder et al. 2018)"
    )
