"""Plain text on a terminal, in a pipe, and where the encoding is poor."""

from __future__ import annotations

import codecs
import shutil
import sys
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

_ASCII = {
    "×": "x",
    "−": "-",
    "–": "-",
    "—": "-",
    "→": "->",
    "…": "...",
    "·": "-",
    "‘": "'",
    "’": "'",
    "½": "1/2",
}
_ASCII |= {
    "≥": ">=",
    "≤": "<=",
    "±": "+-",
    "²": "^2",
    "³": "^3",
    "λ": "lambda",
    "β": "beta",
    "α": "alpha",
    "γ": "gamma",
}


def degrade_gracefully() -> None:
    """Let stdout and stderr write what their encoding lacks as ASCII, where they would raise UnicodeEncodeError."""
    codecs.register_error("ganctl", _degrade)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure") and not (stream.encoding or "").lower().startswith("utf"):
            stream.reconfigure(errors="ganctl")


def _degrade(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "".join(_ASCII.get(c, "?") for c in error.object[error.start : error.end]), error.end


def print_json(value: Any) -> None:
    import json

    print(json.dumps(value, indent=2))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, wrap: Sequence[int]) -> None:
    """Aligned columns. On a terminal, the columns ``wrap`` are folded so that lines fit; in a pipe a row is a line."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    if sys.stdout.isatty():
        too_wide = sum(widths) + 2 * (len(widths) - 1) - terminal_width()
        for i in wrap:  # each gives up what it can, the first before the next
            least = min(widths[i], max(24, len(header[i])))
            given = min(max(too_wide, 0), widths[i] - least)
            widths[i], too_wide = widths[i] - given, too_wide - given
    for row in [header, *rows]:
        columns = [fold(cell, widths[i]) if i in wrap else [cell] for i, cell in enumerate(row)]
        for line in zip_longest(*columns, fillvalue=""):
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def fold(text: str, width: int) -> list[str]:
    """``text`` in lines of at most ``width``, at least one; a longer word keeps its own line."""
    import textwrap

    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def terminal_width() -> int:
    """Columns to fill: the terminal's, or no limit worth mentioning in a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
