"""The progress of a sweep, read from its folder: state, step and speed of every run, and the remaining time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ganctl.rendering.column_titles import COLUMNS, title
from ganctl.runs.status import State
from ganctl.sweeps.folder import ENDED, FAILURES, Entry, Sweep
from ganctl.system.progress import clock


@dataclass(frozen=True)
class Row:
    """The state of a run at one moment."""

    entry: Entry
    state: State
    step: int = 0
    last: Mapping[str, Any] = field(default_factory=dict)  # last records of losses.jsonl and timing.jsonl

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        seconds = self.last.get("seconds")
        return float(seconds) if isinstance(seconds, (int, float)) else 0.0

    @property
    def share(self) -> float:
        """Completed fraction of the run's steps or of its time limit, whichever is larger, from 0 to 1."""
        entry, shares = self.entry, [0.0]
        if entry.steps is not None:
            shares.append(self.step / entry.steps if entry.steps else 1.0)
        if entry.minutes:
            shares.append(self.seconds / (60 * entry.minutes))
        return min(max(shares), 1.0)

    def seconds_left(self, speed: float | None) -> float | None:
        """Return the remaining time, in seconds, at ``speed`` images per second; None if it is unknown."""
        if self.state in ENDED:
            return 0.0
        entry, limits = self.entry, []
        if entry.steps is not None and speed:
            limits.append(max(0, entry.steps - self.step) * entry.images_per_step / speed)
        if entry.minutes:
            limits.append(max(0.0, 60 * entry.minutes - self.seconds))
        return min(limits, default=None)

    @property
    def speed(self) -> float | None:
        """Real images per second: the current speed if the run is running, otherwise its average speed."""
        now = self.last.get("images_per_second")
        if self.state == "running" and isinstance(now, (int, float)) and now > 0:
            return float(now)
        seconds = self.last.get("seconds")
        if isinstance(seconds, (int, float)) and seconds > 0:
            return self.step * self.entry.images_per_step / seconds
        return None


def read_rows(sweep: Sweep, known: Mapping[str, Row] | None = None) -> list[Row]:
    """Return the current state of all runs. Runs that have already ended in ``known`` are not read again."""
    known = known or {}
    return [
        known[entry.name] if entry.name in known and known[entry.name].state in ENDED else _read_row(entry)
        for entry in sweep
    ]


def _read_row(entry: Entry) -> Row:
    state = entry.state
    if state == "waiting":
        return Row(entry, state)
    last = entry.last
    step = last.get("step", 0)
    if state == "finished" and entry.steps is not None and not entry.minutes:
        step = entry.steps
    return Row(entry, state, step, last)


def seconds_left(rows: Sequence[Row]) -> float | None:
    """Estimate the remaining time, in seconds. Return None if no run has a speed yet.

    The estimate assumes that the number of active runs does not change, and that runs without a speed have the harmonic
    mean of the other runs' speeds.
    """
    speeds = [row.speed for row in rows if row.speed]
    mean = len(speeds) / sum(1 / speed for speed in speeds) if speeds else None
    known = [row.seconds_left(row.speed or mean) for row in rows]
    if not any(row.last for row in rows) or None in known:
        return None
    seconds = [left for left in known if left is not None]
    active = sum(row.state == "running" for row in rows)
    return max(sum(seconds) / max(active, 1), max(seconds, default=0.0))


def summarize(rows: Sequence[Row]) -> str:
    """Return, for example, ``"3 of 18 finished, 1 failed, 2 running, 12:03 left"``."""
    count = {state: sum(row.state == state for row in rows) for state in (*ENDED, "running")}
    parts = [f"{count['finished']} of {len(rows)} finished"]
    parts += [f"{count[state]} {state}" for state in (*FAILURES, "running") if count[state]]
    left = seconds_left(rows)
    if left and any(row.state not in ENDED for row in rows):
        parts.append(f"{clock(left)} left")
    return ", ".join(parts)


def format_values(row: Row) -> dict[str, str]:
    """Return the last value of each column as text, by column title. The text is empty if there is no value."""
    shown = {}
    for column in ("epoch", *COLUMNS):
        value = row.last.get(column)
        digits = 2 if column == "epoch" else 3
        shown[title(column)] = f"{value:.{digits}f}" if isinstance(value, (int, float)) else str(value or "")
    speed = row.speed
    return {**shown, "images/s": f"{speed:,.0f}" if speed else ""}
