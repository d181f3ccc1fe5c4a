"""The table of runs in a report: progress, time, speed, final losses and metrics, one row per run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ganctl.rendering.column_titles import COLUMNS, title
from ganctl.reports import curves
from ganctl.runs.read_run import History, number
from ganctl.runs.status import State
from ganctl.system.progress import clock

if TYPE_CHECKING:
    from ganctl.reports.report import Report

MISSING = "–"


@dataclass(frozen=True)
class RunRow:
    """Progress, time, losses and metrics of a run, as text.

    Attributes:
        total: total number of steps; empty if the run has reached it.
        relative_speed: speed, as a fraction of the fastest run's speed.
        values: one value per column of the table.
    """

    label: str
    state: State
    step: str
    total: str
    epoch: str
    time: str
    speed: str
    relative_speed: float
    values: list[str]


@dataclass(frozen=True)
class RunTable:
    columns: list[str]
    rows: list[RunRow]
    note: str


def run_table(report: Report) -> RunTable:
    """Return one row per run of ``report``, with one column per loss, metric and differing property."""
    histories = [entry.history for entry in report.entries]
    columns = list(COLUMNS) if any(h.losses for h in histories) else []
    metrics = curves.metric_names(histories)
    properties = [_properties(h) for h in histories]
    different, shared = [], []
    for name in dict.fromkeys(name for p in properties for name in p):
        values = {p[name] for p in properties if name in p}
        if len(values) == 1:
            shared.append(f"{name}: {values.pop()}")
        else:
            different.append(name)
    fastest = max((h.images_per_second or 0.0 for h in histories), default=0.0)
    rows = []
    for entry, h, own in zip(report.entries, histories, properties, strict=True):
        rate = h.images_per_second
        rows.append(
            RunRow(
                label=entry.label,
                state=h.state,
                step=f"{h.step:,}",
                total=f"{h.total:,}" if h.total and h.total != h.step else "",
                epoch=f"{h.epoch:.4g}",
                time=clock(h.seconds) if h.seconds else MISSING,
                speed=f"{rate:,.0f}" if rate else MISSING,
                relative_speed=(rate or 0.0) / fastest if fastest else 0.0,
                values=[
                    *(_final_mean(h.column(name)) for name in columns),
                    *(_last_and_lowest(h.metrics, name) for name in metrics),
                    *(own.get(name, MISSING) for name in different),
                ],
            )
        )
    note = "Losses and outputs of D are means over the last tenth of the run."
    if metrics:
        note += " Metrics are last values, with the lowest values in parentheses."
    if shared:
        note += f" {'All runs: ' if len(histories) > 1 else ''}{', '.join(shared)}."
    return RunTable([*map(title, columns), *map(title, metrics), *different], rows, note)


def _properties(h: History) -> dict[str, str]:
    """Return the number of parameters, the device and the precision; empty before training starts."""
    found = {f"parameters of {name}": f"{count:,}" for name, count in h.status.parameters.items()}
    found |= {
        name: value
        for name, value in (("device", h.status.device), ("precision", h.status.precision))
        if value
    }
    return found


def _final_mean(values: Sequence[float]) -> str:
    """Return the mean over the last tenth of ``values``."""
    tail = [v for v in values[-max(1, len(values) // 10) :] if v == v]
    return f"{sum(tail) / len(tail):.3g}".replace("-", "−") if tail else MISSING


def _last_and_lowest(records: Sequence[dict[str, Any]], name: str) -> str:
    values = [number(r[name]) for r in records if name in r]
    finite = [v for v in values if v == v]
    return f"{finite[-1]:.4g} ({min(finite):.4g})" if finite else MISSING
