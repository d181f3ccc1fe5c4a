"""Titles of the columns of ``losses.jsonl`` and ``metrics.jsonl``, for every table, chart and page."""

from __future__ import annotations

LOSSES = ("g_loss", "d_loss")
D_OUTPUTS = ("D(x)", "D(G(z))")
#: The columns that every run has, in the order in which they are shown.
COLUMNS = (*LOSSES, *D_OUTPUTS)
TITLES = {"g_loss": "G loss", "d_loss": "D loss"}


def title(column: str) -> str:
    """Return the title of a column. Columns of other losses and of metrics are shown under their own name."""
    return TITLES.get(column, column)
