"""Capabilities of a terminal, for commands that show bars, live displays or images."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console


def can_redraw(stream: TextIO) -> bool:
    """Return True if lines on ``stream`` can be replaced, as on a terminal that is not dumb or in a notebook."""
    if "ipykernel" in sys.modules:
        return True
    return stream.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def can_show_images(console: Console) -> bool:
    """Return True if ``console`` has enough colors for images and the user did not disable colors with NO_COLOR."""
    return console.color_system in ("truecolor", "256") and not console.no_color
