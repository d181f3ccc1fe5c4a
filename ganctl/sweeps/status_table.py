"""What a person sees while a sweep runs: a table of all runs on a terminal, plain lines elsewhere, or nothing.

Everything shown is read from the sweep folder, so it shows what other machines do as well.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ganctl.sweeps.folder import Entry, State, Sweep, last_record, this_machine
from ganctl.system import progress
from ganctl.system.progress import clock

if TYPE_CHECKING:
    from rich.table import Table

SECONDS_BETWEEN_READINGS = 1.0
SECONDS_BETWEEN_LINES = 30.0


@dataclass(frozen=True)
class Row:
    """What is known of a run at a moment."""

    entry: Entry
    state: State
    step: int = 0
    last: Mapping[str, Any] = field(default_factory=dict)  # of losses.jsonl and timing.jsonl

    @property
    def images_left(self) -> int:
        ended = self.state in ("done", "failed")
        return 0 if ended else max(0, self.entry.steps - self.step) * self.entry.images_per_step

    @property
    def speed(self) -> float | None:
        """Real images a second: lately, while it runs, and else over all."""
        if (
            self.state == "running"
            and isinstance(now := self.last.get("images_per_second"), (int, float))
            and now > 0
        ):
            return float(now)
        seconds = self.last.get("seconds")
        if isinstance(seconds, (int, float)) and seconds > 0:
            return self.step * self.entry.images_per_step / seconds
        return None


def rows(sweep: Sweep, known: Mapping[str, Row] | None = None) -> list[Row]:
    """All runs as they are now. Those that have ended in ``known`` are not read again."""
    found = []
    for entry in sweep:
        before = (known or {}).get(entry.name)
        found.append(before if before and before.state in ("done", "failed") else _row(entry))
    return found


def _row(entry: Entry) -> Row:
    state = entry.state
    if state == "waiting":
        return Row(entry, state)
    last = {**last_record(entry.run.timing_file), **last_record(entry.run.losses_file)}
    step = last.get("step", 0)
    return Row(entry, state, entry.steps if state == "done" else step, last)


def seconds_left(table: Sequence[Row]) -> float | None:
    """For all that is left, as fast as the runs went so far and as many at a time as now; None before one is timed."""
    speeds = [row.speed for row in table if row.speed]
    if not speeds:
        return None
    usual = len(speeds) / sum(1 / speed for speed in speeds)  # of equally many images each
    seconds = sum(row.images_left / (row.speed or usual) for row in table)
    at_a_time = sum(row.state == "running" for row in table)
    longest = max((row.images_left / (row.speed or usual) for row in table), default=0.0)
    return max(seconds / max(at_a_time, 1), longest)


def summary(table: Sequence[Row]) -> str:
    """``"3 of 18 done, 1 failed, 2 running, 12:03 left"``."""
    count = {state: sum(row.state == state for row in table) for state in ("done", "failed", "running")}
    parts = [f"{count['done']} of {len(table)} done"]
    parts += [f"{count[state]} {state}" for state in ("failed", "running") if count[state]]
    left = seconds_left(table)
    if left and count["done"] + count["failed"] < len(table):
        parts.append(f"{clock(left)} left")
    return ", ".join(parts)


class Board:
    """Says nothing."""

    def say(self, text: str) -> None:
        """One line for the user."""

    def update(self) -> None:
        """Show what is new, if it is time."""

    @contextmanager
    def shown(self, sweep: Sweep) -> Iterator[None]:
        """While entered, ``sweep`` is shown."""
        yield


class _Read(Board):
    """Reads the sweep's folder again now and then, and shows what it found."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._sweep: Sweep | None = None
        self._read = 0.0

    def update(self) -> None:
        if time.monotonic() - self._read >= SECONDS_BETWEEN_READINGS:
            self._show()

    def _begin(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._rows = {row.entry.name: row for row in rows(sweep)}

    def _read_again(self) -> list[tuple[Row | None, Row]]:
        """Every run as it was when last read and as it is."""
        assert self._sweep is not None
        table = rows(self._sweep, self._rows)
        pairs = [(self._rows.get(row.entry.name), row) for row in table]
        self._rows = {row.entry.name: row for row in table}
        self._read = time.monotonic()
        return pairs

    def _show(self) -> None:
        """Read it, and show what is new."""


class Lines(_Read):
    """A line when a run begins and ends, and one about the whole now and then."""

    _said = 0.0

    def say(self, text: str) -> None:
        progress.LineReporter().say(text)

    @contextmanager
    def shown(self, sweep: Sweep) -> Iterator[None]:
        self._begin(sweep)
        self._said = time.monotonic()
        try:
            yield
        finally:
            self._show()

    def _show(self) -> None:
        pairs = self._read_again()
        for before, row in pairs:
            if before is None or before.state != row.state:
                self.say(f"{row.entry.name}  {_told(row)}")
        table = [row for _, row in pairs]
        if self._read - self._said >= SECONDS_BETWEEN_LINES:
            self._said = self._read
            for row in table:
                if row.state == "running" and row.last:
                    values = "  ".join(f"{title} {text}" for title, text in _numbers(row).items() if text)
                    self.say(f"{row.entry.name}  {row.step}/{row.entry.steps}  {values}")
            self.say(summary(table))


class Live(_Read):
    """A table of all runs, or of as many as fit, that stays in place."""

    def __init__(self) -> None:
        super().__init__()
        self._console = progress.BarReporter().console
        self._live: Any = None

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def shown(self, sweep: Sweep) -> Iterator[None]:
        from rich.live import Live as RichLive

        self._begin(sweep)
        with RichLive(self._table(), console=self._console, auto_refresh=False) as self._live:
            try:
                yield
            finally:
                self._show()
                self._live = None

    def _show(self) -> None:
        for before, row in self._read_again():
            if row.state == "failed" and (before is None or before.state != "failed"):
                self.say(f"{row.entry.name}  {_told(row)}")
        if self._live is not None:
            self._live.update(self._table(), refresh=True)

    def _table(self) -> Table:
        assert self._sweep is not None
        return as_table(self._sweep, list(self._rows.values()), self._console.width, self._console.height)


def make_board(*, quiet: bool = False) -> Board:
    """The board that fits stderr and what was asked for."""
    if quiet:
        return Board()
    return Live() if sys.stderr.isatty() or "ipykernel" in sys.modules else Lines()


#: Columns after the settings and the progress, the most wanted first, and the narrowest that each may be.
NUMBERS = {"epoch": 6, "D(x)": 6, "D(G(z))": 7, "g loss": 7, "d loss": 7, "images/s": 8}
SHOWN_AS = ["epoch", "g loss", "d loss", "D(x)", "D(G(z))", "images/s"]
BAR = 12


def as_table(sweep: Sweep, table: Sequence[Row], width: int, height: int) -> Table:
    """The runs as a table of at most ``width`` columns and ``height`` lines; what does not fit is counted."""
    from rich.table import Table
    from rich.text import Text

    settings = [name for name, values in sweep.varying.items() if len(values) > 1] or list(sweep.varying)
    widths = {name: max(len(name), *map(len, sweep.varying[name])) for name in settings}
    room = width - BAR - 6
    by_name = (
        sum(widths.values()) + 2 * len(widths) > 0.6 * room
    )  # too many settings: the run's name, cut short
    if by_name:
        settings, widths = (
            ["run"],
            {"run": max(12, min(room - 10, max(len(row.entry.name) for row in table)))},
        )
    room -= sum(widths.values()) + 2 * len(widths)
    numbers = []
    for title, narrowest in NUMBERS.items():
        if room >= narrowest + 2:
            numbers.append(title)
            room -= narrowest + 2
    shown = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_footer=False, header_style="bold")
    for name in settings:
        shown.add_column(name.replace("_", " "), no_wrap=True, width=widths[name], overflow="ellipsis")
    shown.add_column("progress", no_wrap=True, width=BAR + 5)
    for title in SHOWN_AS:
        if title in numbers:
            shown.add_column(title, justify="right", no_wrap=True, min_width=NUMBERS[title])
    chosen = _that_fit(table, height - 4)
    for row in chosen:
        values = _numbers(row)
        shown.add_row(
            *([row.entry.name] if by_name else [row.entry.values.get(name, "") for name in settings]),
            _progress(row),
            *(values[title] for title in SHOWN_AS if title in numbers),
            style="dim" if row.state == "waiting" else "",
        )
    hidden = len(table) - len(chosen)
    outer = Table.grid()
    outer.add_row(shown)
    outer.add_row(
        Text(f"{summary(table)}{f'; {hidden} not shown' if hidden else ''}", style="bold", no_wrap=True)
    )
    return outer


def _that_fit(table: Sequence[Row], lines: int) -> list[Row]:
    """In their order as many as fit: those at work before all, the failed, those begun, the next, the newest done."""
    if len(table) <= lines:
        return list(table)
    order: dict[str, int] = {"running": 0, "failed": 1, "stopped": 2, "waiting": 3, "done": 4}
    ranked = sorted(
        range(len(table)), key=lambda i: (order[table[i].state], -i if table[i].state == "done" else i)
    )
    return [table[i] for i in sorted(ranked[: max(lines, 1)])]


def _progress(row: Row) -> Any:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    share = min(row.step / row.entry.steps, 1.0) if row.entry.steps else 1.0
    if row.state == "running":
        cells = Table.grid(padding=(0, 1, 0, 0))
        cells.add_column(width=BAR)
        cells.add_column(width=4, justify="right")
        cells.add_row(ProgressBar(total=1.0, completed=share, width=BAR), f"{share:4.0%}")
        return cells
    if row.state == "stopped":
        return Text(f"stopped at {share:.0%}", style="yellow")
    return Text(row.state, style={"done": "green", "failed": "red"}.get(row.state, ""))


def _numbers(row: Row) -> dict[str, str]:
    """The last of each number, as text; empty where there is none yet."""
    names = {"epoch": "epoch", "g loss": "g_loss", "d loss": "d_loss", "D(x)": "D(x)", "D(G(z))": "D(G(z))"}
    shown = {}
    for title, name in names.items():
        value = row.last.get(name)
        digits = 2 if name == "epoch" else 3
        shown[title] = f"{value:.{digits}f}" if isinstance(value, (int, float)) else str(value or "")
    speed = row.speed
    return {**shown, "images/s": f"{speed:,.0f}" if speed else ""}


def _told(row: Row) -> str:
    if row.state == "failed":
        return f"failed: {row.entry.reason}"
    if row.state == "running":
        worker = row.entry.worker or {}
        return f"begun by {worker.get('host')}" if worker.get("machine") != this_machine() else "begun"
    if row.state == "done":
        values = "  ".join(f"{title} {text}" for title, text in _numbers(row).items() if text)
        return f"done  {values}"
    return f"{row.state} at step {row.step}"
