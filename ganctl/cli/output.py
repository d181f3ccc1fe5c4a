"""Plain text on a terminal, in a pipe, and where the encoding is poor."""

from __future__ import annotations

import codecs
import json
import shutil
import sys
from collections.abc import Sequence
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
    print(json.dumps(value, indent=2))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, wrap: int) -> None:
    """Aligned columns. On a terminal, column ``wrap`` is folded so that lines fit; in a pipe a row is a line."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    if sys.stdout.isatty():
        rest = sum(widths) - widths[wrap] + 2 * (len(widths) - 1)
        widths[wrap] = min(widths[wrap], max(terminal_width() - rest, 16, len(header[wrap])))
    for row in [header, *rows]:
        folded = fold(row[wrap], widths[wrap])
        for number, line in enumerate(folded):
            cells = [line if i == wrap else cell if number == 0 else "" for i, cell in enumerate(row)]
            print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


def fold(text: str, width: int) -> list[str]:
    """``text`` in lines of at most ``width``, at least one; a longer word keeps its own line."""
    import textwrap

    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def terminal_width() -> int:
    """Columns to fill: the terminal's, or no limit worth mentioning in a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
