"""Titles of the columns of ``losses.jsonl`` and ``metrics.jsonl`` in tables, charts and pages."""

from __future__ import annotations

LOSSES = ("g_loss", "d_loss")
D_OUTPUTS = ("D(x)", "D(G(z))")
#: The columns that every run has, in display order.
COLUMNS = (*LOSSES, *D_OUTPUTS)
TITLES = {"g_loss": "G loss", "d_loss": "D loss"}


def title(column: str) -> str:
    """Return the title of a column. Other values of losses and metrics have their names as titles."""
    return TITLES.get(column, column)
