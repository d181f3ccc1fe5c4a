"""Range checks for the options of losses."""

from __future__ import annotations

import math

from ganctl import USAGE, GanctlError


def at_least(least: float, **options: float) -> None:
    """Check that every option is finite and at least ``least``.

    Raises:
        GanctlError: if an option is out of range. The message contains the name of the option.
    """
    for name, value in options.items():
        if not (least <= value < math.inf):
            raise GanctlError(
                f"{name} is {value}: it must be at least {least:g} and finite.",
                f"Omit '{name}' to use the default.",
                status=USAGE,
            )
