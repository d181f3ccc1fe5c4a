"""The charts of a report, with the number of points limited for display on a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ganctl.rendering.column_titles import COLUMNS, D_OUTPUTS, LOSSES, title
from ganctl.reports.training_problems import has_probabilities
from ganctl.runs.read_run import History, number

MAX_POINTS = 400
D_OUTPUTS_TITLE = "D(x) and D(G(z))"
AXES = ("epoch", "step", "minutes")
NOTES = {"g_loss": "what G minimizes", "d_loss": "what D minimizes"}


@dataclass(frozen=True)
class Curve:
    """One line of a chart.

    Attributes:
        run: index of the run.
        name: name of a column in ``losses.jsonl`` or ``metrics.jsonl``.
        x: positions of the points on each of the ``AXES``.
        y: values of the points, with None for values that are missing or not finite.
        lines_per_point: number of lines of ``losses.jsonl`` that are averaged to one point.
    """

    run: int
    name: str
    dashed: bool
    x: dict[str, list[float]]
    y: list[float | None]
    lines_per_point: int = 1


@dataclass(frozen=True)
class Chart:
    """One chart. ``probability`` is True if all values are probabilities."""

    title: str
    note: str
    curves: list[Curve]
    probability: bool = False


def charts(histories: Sequence[History]) -> list[Chart]:
    """Return the charts of losses, outputs of D, other columns of ``losses.jsonl``, and metrics."""
    found = [_chart(title(name), NOTES[name], histories, [name]) for name in LOSSES]
    probable = [has_probabilities(h) for h in histories]
    for wanted, values in ((True, "probabilities"), (False, "unbounded")):
        chosen = [
            h if is_probable is wanted else None for h, is_probable in zip(histories, probable, strict=True)
        ]
        note = f"mean outputs of D for reals (solid) and fakes (dashed), {values}"
        found.append(_chart(D_OUTPUTS_TITLE, note, chosen, D_OUTPUTS, probability=wanted))
    others = {name for h in histories for r in h.losses[-1:] for name in r} - {"step", "epoch", *COLUMNS}
    found += [_chart(title(name), "as reported by the loss", histories, [name]) for name in sorted(others)]
    return [chart for chart in found if chart.curves] + metric_charts(histories)


def metric_charts(histories: Sequence[History]) -> list[Chart]:
    """Return one chart per metric."""
    found = []
    for name in metric_names(histories):
        curves = []
        for run, h in enumerate(histories):
            rows = [e for e in h.metrics if name in e]
            if rows:
                y = [_finite(e[name]) for e in rows]
                curves.append(Curve(run, name, False, _positions(h, [e["step"] for e in rows]), y))
        found.append(Chart(title(name), "computed from samples of the same latents", curves))
    return found


def metric_names(histories: Sequence[History]) -> list[str]:
    """Return the names of all metrics in ``metrics.jsonl``."""
    return sorted({k for h in histories for e in h.metrics for k in e} - {"step", "epoch"})


def _chart(
    heading: str,
    note: str,
    histories: Sequence[History | None],
    names: Sequence[str],
    *,
    probability: bool = False,
) -> Chart:
    curves = []
    for run, h in enumerate(histories):
        for name in names:
            if h is None or not any(name in r for r in h.losses):
                continue
            chunks = _chunks(len(h.losses))
            values = h.column(name)
            y = [_mean(values[a:b]) for a, b in chunks]
            steps = [h.losses[b - 1]["step"] for _, b in chunks]
            dashed, averaged = name == "D(G(z))", chunks[0][1] - chunks[0][0]
            curves.append(Curve(run, name, dashed, _positions(h, steps), y, averaged))
    return Chart(heading, note, curves, probability)


def _chunks(n: int) -> list[tuple[int, int]]:
    """Split ``n`` lines into at most MAX_POINTS ranges."""
    size = max(1, math.ceil(n / MAX_POINTS))
    return [(i, min(i + size, n)) for i in range(0, n, size)]


def _mean(values: Sequence[float]) -> float | None:
    finite = [v for v in values if math.isfinite(v)]
    return _rounded(sum(finite) / len(finite)) if finite else None


def _positions(h: History, steps: Sequence[int]) -> dict[str, list[float]]:
    times = {t["step"]: number(t["seconds"]) for t in h.timing}
    known = sorted(times)
    minutes, last, i = [], 0.0, 0
    for step in steps:
        while i < len(known) and known[i] <= step:
            last, i = times[known[i]], i + 1
        minutes.append(_rounded(last / 60))
    return {
        "epoch": [_rounded(h.epoch_of(s)) for s in steps],
        "step": [float(s) for s in steps],
        "minutes": minutes,
    }


def _finite(value: Any) -> float | None:
    v = number(value)
    return _rounded(v) if math.isfinite(v) else None


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")
