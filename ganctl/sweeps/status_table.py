"""The table of a sweep's runs, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ganctl.rendering.column_titles import COLUMNS, LOSSES, title
from ganctl.runs.status import State
from ganctl.sweeps.folder import Sweep
from ganctl.sweeps.progress import Row, format_values, summarize

if TYPE_CHECKING:
    from rich.table import Table

#: Columns after the settings and the progress, with their minimum widths. The most important columns come first.
MIN_WIDTHS = {"epoch": 6, "D(x)": 6, "D(G(z))": 7, **{title(column): 7 for column in LOSSES}, "images/s": 8}
COLUMN_ORDER = ["epoch", *map(title, COLUMNS), "images/s"]
BAR_WIDTH = 12
#: Priority of each state. Runs with low numbers are shown first if the terminal is too small for all runs.
PRIORITY: dict[State, int] = {
    "running": 0,
    "failed": 1,
    "diverged": 1,
    "stopped": 2,
    "killed": 2,
    "waiting": 3,
    "finished": 4,
}
STYLES: dict[State, str] = {"finished": "green", "failed": "red", "diverged": "red"}


def draw_table(sweep: Sweep, rows: Sequence[Row], width: int, height: int) -> Table:
    """Return a table of at most ``width`` columns and ``height`` lines. A line below it counts the hidden runs."""
    from rich.table import Table
    from rich.text import Text

    settings = [name for name, values in sweep.varying.items() if len(values) > 1] or list(sweep.varying)
    widths = {name: max(len(name), *map(len, sweep.varying[name])) for name in settings}
    room = width - BAR_WIDTH - 6
    by_name = sum(widths.values()) + 2 * len(widths) > 0.6 * room
    if by_name:  # with too many settings, show the truncated name of the run instead
        longest = max(len(row.entry.name) for row in rows)
        settings, widths = ["run"], {"run": max(12, min(room - 10, longest))}
    room -= sum(widths.values()) + 2 * len(widths)
    columns = []
    for column, narrowest in MIN_WIDTHS.items():
        if room >= narrowest + 2:
            columns.append(column)
            room -= narrowest + 2
    columns.sort(key=COLUMN_ORDER.index)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_footer=False, header_style="bold")
    for name in settings:
        table.add_column(name.replace("_", " "), no_wrap=True, width=widths[name], overflow="ellipsis")
    table.add_column("progress", no_wrap=True, width=BAR_WIDTH + 5)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True, min_width=MIN_WIDTHS[column])
    shown = _select_rows(rows, height - 4)
    for row in shown:
        values = format_values(row)
        table.add_row(
            *([row.entry.name] if by_name else [row.entry.texts.get(name, "") for name in settings]),
            _progress_cell(row),
            *(values[column] for column in columns),
            style="dim" if row.state == "waiting" else "",
        )
    hidden = len(rows) - len(shown)
    footer = f"{summarize(rows)}{f'; {hidden} not shown' if hidden else ''}"
    outer = Table.grid()
    outer.add_row(table)
    outer.add_row(Text(footer, style="bold", no_wrap=True))
    return outer


def _select_rows(rows: Sequence[Row], lines: int) -> list[Row]:
    """Return the rows that fit into ``lines``, selected by :data:`PRIORITY`. The last finished runs are preferred."""
    if len(rows) <= lines:
        return list(rows)
    ranked = sorted(
        range(len(rows)), key=lambda i: (PRIORITY[rows[i].state], -i if rows[i].state == "finished" else i)
    )
    return [rows[i] for i in sorted(ranked[: max(lines, 1)])]


def _progress_cell(row: Row) -> Any:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    share = row.share
    if row.state == "running":
        cells = Table.grid(padding=(0, 1, 0, 0))
        cells.add_column(width=BAR_WIDTH)
        cells.add_column(width=4, justify="right")
        cells.add_row(ProgressBar(total=1.0, completed=share, width=BAR_WIDTH), f"{share:4.0%}")
        return cells
    if row.state in ("stopped", "killed"):
        return Text(f"{row.state} at {share:.0%}", style="yellow")
    return Text(row.state, style=STYLES.get(row.state, ""))
