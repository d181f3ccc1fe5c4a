"""Print tables, JSON and wrapped text on terminals, in pipes and in encodings that lack characters."""

from __future__ import annotations

import codecs
import shutil
import sys
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

#: ASCII replacements of characters that ganctl prints, for encodings that lack these characters.
_ASCII = {
    # punctuation and operators
    **{
        "×": "x",
        "·": "*",
        "⊙": "*",
        "−": "-",
        "±": "+-",
        "½": "1/2",
        "≥": ">=",
        "≤": "<=",
        "≠": "!=",
        "√": "sqrt",
    },
    **{"–": "-", "—": "-", "…": "...", "‘": "'", "’": "'", "°": " deg", "‖": "||", "∇": "grad ", "Σ": "sum"},
    **{"→": "->", "↦": "->", "←": "<-", "↓": "v"},
    # superscripts, subscripts and the circumflex above the previous letter
    **{"¹": "^1", "²": "^2", "³": "^3", "ᵖ": "^p", "ᵀ": "^T"},
    **{"₁": "_1", "₂": "_2", "ᵢ": "_i", "ⱼ": "_j", "\u0302": "_hat"},
    # Greek letters
    **{"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "θ": "theta", "λ": "lambda"},
    **{"Δ": "Delta", "μ": "mu", "σ": "sigma", "φ": "phi", "χ": "chi"},
    # lines, curves and images
    **{"─": "-", "━": "-", "└": "+", "┘": "+", "▀": "#"},
    **dict(zip("▁▂▃▄▅▆▇█", "_.,-=+*#", strict=True)),
}


def replace_unencodable_characters() -> None:
    """Make stdout and stderr replace characters that their encoding lacks with ASCII instead of raising an error."""
    codecs.register_error("ganctl", _to_ascii)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure") and not (stream.encoding or "").lower().startswith("utf"):
            stream.reconfigure(errors="ganctl")


def _to_ascii(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "".join(_ASCII.get(c, "?") for c in error.object[error.start : error.end]), error.end


def print_json(value: Any) -> None:
    """Print ``value`` as indented JSON."""
    import json

    print(json.dumps(value, indent=2))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, wrap: Sequence[int]) -> None:
    """Print aligned columns.

    On a terminal, the columns with indices in ``wrap`` are wrapped so that lines fit. In a pipe, each row is one line.
    """
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    if sys.stdout.isatty():
        excess = sum(widths) + 2 * (len(widths) - 1) - terminal_width()
        for i in wrap:  # the first column shrinks as far as possible before the next column shrinks
            least = min(widths[i], max(24, len(header[i])))
            reduction = min(max(excess, 0), widths[i] - least)
            widths[i], excess = widths[i] - reduction, excess - reduction
    for row in [header, *rows]:
        columns = [fold(cell, widths[i]) if i in wrap else [cell] for i, cell in enumerate(row)]
        for line in zip_longest(*columns, fillvalue=""):
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def fold(text: str, width: int) -> list[str]:
    """Split ``text`` into one or more lines of at most ``width`` characters. A longer word has its own line."""
    import textwrap

    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def terminal_width() -> int:
    """Return the width of the terminal in columns, or 10,000 in a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
