"""Show the progress of a sweep on stderr: a live table on a terminal, lines of text elsewhere, or nothing.

The state is read from the sweep folder and therefore includes the work of other machines.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ganctl.sweeps.folder import FAILURES, Sweep, has_pid_of_this_system
from ganctl.sweeps.progress import Row, format_values, read_rows, summarize
from ganctl.sweeps.status_table import draw_table
from ganctl.system import progress
from ganctl.system.progress import clock
from ganctl.system.terminal import can_redraw

if TYPE_CHECKING:
    from rich.table import Table

READ_INTERVAL = 1.0  # seconds
SUMMARY_INTERVAL = 30.0  # seconds between two summaries of LineDisplay


def make_display(*, quiet: bool = False) -> Display:
    """Return the display for stderr: a table if the terminal can redraw it, otherwise lines."""
    if quiet:
        return Display()
    return TableDisplay() if can_redraw(sys.stderr) else LineDisplay()


class Display:
    """Base class of the displays. It shows nothing."""

    def say(self, text: str) -> None:
        """Print one line."""

    def update(self) -> None:
        """Show changes if an update is due."""

    @contextmanager
    def showing(self, sweep: Sweep) -> Iterator[None]:
        """Show ``sweep`` within the context."""
        yield


class _ReadingDisplay(Display):
    """Base class of displays that read the sweep folder at regular intervals."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._sweep: Sweep | None = None
        self._last_read = 0.0

    def update(self) -> None:
        if time.monotonic() - self._last_read >= READ_INTERVAL:
            self._show_changes()

    def _begin(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._rows = {row.entry.name: row for row in read_rows(sweep)}

    def _read(self) -> list[tuple[Row | None, Row]]:
        """Read the state of every run, and return pairs of previous and current states."""
        assert self._sweep is not None
        rows = read_rows(self._sweep, self._rows)
        pairs = [(self._rows.get(row.entry.name), row) for row in rows]
        self._rows = {row.entry.name: row for row in rows}
        self._last_read = time.monotonic()
        return pairs

    def _show_changes(self) -> None:
        """Read the sweep folder and show the changes."""


class LineDisplay(_ReadingDisplay):
    """Prints a line when a run starts or ends, and a summary at regular intervals."""

    _last_summary = 0.0

    def say(self, text: str) -> None:
        progress.LineReporter().say(text)

    @contextmanager
    def showing(self, sweep: Sweep) -> Iterator[None]:
        self._begin(sweep)
        self._last_summary = time.monotonic()
        try:
            yield
        finally:
            self._show_changes()

    def _show_changes(self) -> None:
        pairs = self._read()
        for before, row in pairs:
            if before is None or before.state != row.state:
                self.say(f"{row.entry.name}  {describe_state(row)}")
        if self._last_read - self._last_summary >= SUMMARY_INTERVAL:
            self._last_summary = self._last_read
            rows = [row for _, row in pairs]
            for row in rows:
                if row.state == "running" and row.last:
                    self.say(f"{row.entry.name}  {_progress(row)}  {_join_values(row)}")
            self.say(summarize(rows))


class TableDisplay(_ReadingDisplay):
    """Shows a table of the runs that is updated in place."""

    def __init__(self) -> None:
        super().__init__()
        self._console = progress.BarReporter().console
        self._live: Any = None

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def showing(self, sweep: Sweep) -> Iterator[None]:
        from rich.live import Live

        self._begin(sweep)
        with Live(self._table(), console=self._console, auto_refresh=False) as self._live:
            try:
                yield
            finally:
                self._show_changes()
                self._live = None

    def _show_changes(self) -> None:
        for before, row in self._read():
            if row.state in FAILURES and (before is None or before.state not in FAILURES):
                self.say(f"{row.entry.name}  {describe_state(row)}")
        if self._live is not None:
            self._live.update(self._table(), refresh=True)

    def _table(self) -> Table:
        assert self._sweep is not None
        return draw_table(self._sweep, list(self._rows.values()), self._console.width, self._console.height)


def describe_state(row: Row) -> str:
    """Return one line with the state of a run and its error, last values or machine."""
    if row.state in FAILURES:
        return f"{row.state}: {row.entry.reason}"
    if row.state == "running":
        worker = row.entry.worker or {}
        here = "machine" not in worker or has_pid_of_this_system(worker)
        return "started" if here else f"started by {worker.get('host')}"
    if row.state == "finished":
        return f"finished  {_join_values(row)}"
    return f"{row.state} at step {row.step}"


def _progress(row: Row) -> str:
    entry = row.entry
    if entry.steps is None and entry.minutes:
        return f"step {row.step}, {clock(row.seconds)} of {clock(60 * entry.minutes)}"
    return f"{row.step}/{entry.steps}"


def _join_values(row: Row) -> str:
    return "  ".join(f"{title} {text}" for title, text in format_values(row).items() if text)
