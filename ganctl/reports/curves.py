"""The curves of a report: which there are, and their points, few enough for a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ganctl.reports.findings import is_probability
from ganctl.runs.history import History, number

MOST_POINTS = 400
ANSWERS = "D(x) and D(G(z))"
NAMES = {"g_loss": "G loss", "d_loss": "D loss"}
X = ("epoch", "step", "minutes")


@dataclass(frozen=True)
class Curve:
    """One line. ``x``: its places on each of the axes ``X``; ``y``: None where it is not finite or not known."""

    run: int
    name: str
    dashed: bool
    x: dict[str, list[float]]
    y: list[float | None]


@dataclass(frozen=True)
class Chart:
    title: str
    note: str
    curves: list[Curve]
    unit: bool  # whether all of it is a probability


def charts(histories: Sequence[History]) -> list[Chart]:
    """Losses, D's answers, whatever else the losses reported, and the metrics."""
    found = [
        chart
        for name, title in NAMES.items()
        if (chart := _chart(title, _LOSS[name], histories, {name: False})).curves
    ]
    sure = [is_probability(h) for h in histories]
    answers = {"D(x)": False, "D(G(z))": True}
    for wanted, note in (
        (True, "what D answers to reals (solid) and fakes (dashed), from 0 to 1"),
        (False, "what D answers to reals (solid) and fakes (dashed), not from 0 to 1"),
    ):
        some = [h if is_sure is wanted else None for h, is_sure in zip(histories, sure, strict=True)]
        chart = _chart(ANSWERS, note, some, answers, unit=wanted)
        if chart.curves:
            found.append(chart)
    known = {"step", "epoch", *NAMES, *answers}
    for name in sorted({k for h in histories for r in h.losses[-1:] for k in r} - known):
        chart = _chart(name, "as the loss reports it", histories, {name: False})
        if chart.curves:
            found.append(chart)
    return found + metric_charts(histories)


def metric_charts(histories: Sequence[History]) -> list[Chart]:
    found = []
    for name in metric_names(histories):
        curves = []
        for run, h in enumerate(histories):
            rows = [e for e in h.metrics if name in e]
            if rows:
                y = [_finite(e[name]) for e in rows]
                curves.append(Curve(run, name, False, _places(h, [e["step"] for e in rows]), y))
        found.append(Chart(name, "of pictures of the same latents, after each epoch", curves, False))
    return found


def metric_names(histories: Sequence[History]) -> list[str]:
    return sorted({k for h in histories for e in h.metrics for k in e} - {"step", "epoch"})


_LOSS = {"g_loss": "what G minimizes", "d_loss": "what D minimizes"}


def _chart(
    title: str,
    note: str,
    histories: Sequence[History | None],
    names: dict[str, bool],
    *,
    unit: bool = False,
) -> Chart:
    curves = []
    for run, h in enumerate(histories):
        for name, dashed in names.items():
            if h is None or not any(name in r for r in h.losses):
                continue
            lots = _lots(len(h.losses))
            values = h.column(name)
            y = [_mean(values[a:b]) for a, b in lots]
            steps = [h.losses[b - 1]["step"] for _, b in lots]
            curves.append(Curve(run, name, dashed, _places(h, steps), y))
    return Chart(title, note, curves, unit)


def _lots(n: int) -> list[tuple[int, int]]:
    """``n`` lines in at most MOST_POINTS lots of neighbors."""
    size = max(1, math.ceil(n / MOST_POINTS))
    return [(i, min(i + size, n)) for i in range(0, n, size)]


def _mean(values: Sequence[float]) -> float | None:
    finite = [v for v in values if math.isfinite(v)]
    return _short(sum(finite) / len(finite)) if finite else None


def _places(h: History, steps: Sequence[int]) -> dict[str, list[float]]:
    times = {t["step"]: number(t["seconds"]) for t in h.timing}
    known = sorted(times)
    minutes, last, i = [], 0.0, 0
    for step in steps:
        while i < len(known) and known[i] <= step:
            last, i = times[known[i]], i + 1
        minutes.append(_short(last / 60))
    return {
        "epoch": [_short(h.epoch_of(s)) for s in steps],
        "step": [float(s) for s in steps],
        "minutes": minutes,
    }


def _finite(value: Any) -> float | None:
    v = number(value)
    return _short(v) if math.isfinite(v) else None


def _short(value: float) -> float:
    return float(f"{value:.5g}")
