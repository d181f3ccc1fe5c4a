"""Options of losses that cannot be."""

from __future__ import annotations

import math

from ganctl import USAGE, GanctlError


def at_least(least: float, **options: float) -> None:
    """Every option is a finite number from ``least`` on.

    Raises:
        GanctlError: one is not; says which.
    """
    for name, value in options.items():
        if not (least <= value < math.inf):
            raise GanctlError(
                f"{name} is {value}: it must be at least {least:g} and finite.",
                f"Leave '{name}' out for its default.",
                status=USAGE,
            )
