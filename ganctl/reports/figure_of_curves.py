"""A figure of curves for print. The lines can be distinguished both in color and in grayscale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ganctl.rendering.column_titles import title
from ganctl.rendering.figure_style import COLORS, DASHED, MARKERS, SOLID, figure_style
from ganctl.rendering.split_grid import Array
from ganctl.reports.curves import D_OUTPUTS_TITLE, Chart, Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

PANEL_HEIGHT = 1.75  # inches
LEGEND_LINE = 0.16  # inches
CHARACTER = 0.065  # inches; width of a character of text
LEGEND_HANDLE = 0.42  # inches; width of a line in the legend, with its gaps
MAX_OVERLAID = 3  # with more runs, each of two quantities has its own panel
MAX_LABEL = 40  # characters
MARKERS_PER_LINE = 6
UNSMOOTHED_POINTS = 8  # shorter curves are not smoothed
RAW: dict[str, Any] = {"alpha": 0.5, "linewidth": 0.6}  # style of unsmoothed values
GRAY = "#444444"
HEADINGS = {D_OUTPUTS_TITLE: "output of D"}
LegendEntry: TypeAlias = "tuple[Line2D, str]"


def draw_curves(chart: Chart, labels: Sequence[str], width: float, smoothing: float) -> Figure:
    """Draw the curves of a chart, with the unsmoothed values in a fainter color behind them.

    If there are several runs, each has its own color and marker. Line styles show the chart's quantities.

    Args:
        labels: labels of the report's runs.
        width: width of the figure in inches.
        smoothing: weight of the moving average in [0, 1).
    """
    names = list(dict.fromkeys(curve.name for curve in chart.curves))
    runs = sorted({curve.run for curve in chart.curves}) if len(labels) > 1 else []
    split = len(names) > 1 and len(runs) > MAX_OVERLAID
    panels = [chart.curves]
    if split:
        panels = [[replace(c, dashed=False) for c in chart.curves if c.name == name] for name in names]
    across = len(panels) if width > 2 * PANEL_HEIGHT else 1
    down = len(panels) // across
    with figure_style():
        from matplotlib.figure import Figure

        rows, columns = _arrange(
            _legend_entries(chart, labels, runs, [] if split else names, smoothing), width
        )
        figure = Figure((width, down * PANEL_HEIGHT + len(rows) * LEGEND_LINE + 0.1), layout="constrained")
        for axes, panel in zip(figure.subplots(down, across, squeeze=False).flat, panels, strict=True):
            _draw_panel(axes, panel, runs, smoothing, probability=chart.probability)
            heading = title(panel[0].name) if split else HEADINGS.get(chart.title, chart.title)
            axes.set_ylabel(f"{_shorten(heading)}{_smoothing_note(panel, smoothing)}", parse_math=False)
        entries = [
            row[column] for column in range(columns) for row in rows
        ]  # matplotlib fills legends column by column
        if entries:
            handles, texts = zip(*entries, strict=True)
            legend = figure.legend(handles, texts, loc="outside upper left", ncols=columns)
            for text in legend.get_texts():
                text.set_parse_math(False)
    return figure


def smoothed(values: Array, weight: float) -> Array:
    """Return the exponential moving average, corrected for its bias toward zero. Gaps are preserved."""
    total = norm = 0.0
    out = np.full(len(values), np.nan)
    for i, value in enumerate(values):
        if np.isfinite(value):
            total, norm = total * weight + value * (1 - weight), norm * weight + (1 - weight)
            out[i] = total / norm
    return out


def _draw_panel(
    axes: Axes, panel: Sequence[Curve], runs: Sequence[int], smoothing: float, *, probability: bool
) -> None:
    axis = "epoch" if any(any(curve.x["epoch"]) for curve in panel) else "step"
    for curve in panel:
        x, y = np.array(curve.x[axis]), np.array([np.nan if v is None else v for v in curve.y])
        style = _line_style(curve, runs)
        if _is_smoothed(curve, smoothing):
            axes.plot(x, y, color=style["color"], **RAW)
            y = smoothed(y, smoothing)
        if runs:  # keep the markers of different runs apart
            every = max(1, len(y) // MARKERS_PER_LINE)
            style["markevery"] = (every * runs.index(curve.run) // len(runs), every)
        axes.plot(x, y, **style)
    axes.set_xlabel(axis)
    if probability:
        axes.set_ylim(0, 1)
        return
    values = [np.array([v for v in curve.y if v is not None]) for curve in panel]
    spans = [float(np.quantile(np.abs(v), 0.9)) for v in values if v.any()]
    if not spans or max(spans) <= 15 * min(spans):
        return
    # A linear scale would hide small values.
    if all((v > 0).all() for v in values):
        axes.set_yscale("log")
    else:
        exponent = np.ceil(np.log10(max(min(spans), 1e-6)))  # round up to keep the label away from 0
        axes.set_yscale("symlog", linthresh=10.0**exponent)


def _line_style(curve: Curve, runs: Sequence[int]) -> dict[str, Any]:
    """Return the color and marker of the run, or the color of the quantity if ``runs`` is empty."""
    if not runs:
        return {"color": COLORS[curve.dashed], "linestyle": _dashes(curve)}
    cycle, number = divmod(curve.run, len(COLORS))
    marker = MARKERS[(number + cycle) % len(MARKERS)]
    return {"color": COLORS[number], "marker": marker, "linestyle": _dashes(curve)}


def _legend_entries(
    chart: Chart, labels: Sequence[str], runs: Sequence[int], names: Sequence[str], smoothing: float
) -> list[list[LegendEntry]]:
    """Return lines and their labels in two groups: runs, and quantities including unsmoothed values."""
    from matplotlib.lines import Line2D

    curve_of = {curve.name: curve for curve in chart.curves}
    of_runs = []
    for run in runs:
        style = _line_style(next(curve for curve in chart.curves if curve.run == run), runs)
        of_runs.append((Line2D([], [], **{**style, "linestyle": SOLID}), _legend_label(labels[run])))
    others = []
    if not runs or len(names) > 1:
        for name in names:
            color = GRAY if runs else _line_style(curve_of[name], runs)["color"]
            line = Line2D([], [], color=color, linestyle=_dashes(curve_of[name]))
            others.append((line, _legend_label(title(name))))
    if any(_is_smoothed(curve, smoothing) for curve in chart.curves):
        others.append((Line2D([], [], color=GRAY, **RAW), "before smoothing"))
    groups = [of_runs + others] if len(others) == 1 else [of_runs, others]
    return [group for group in groups if group]


def _arrange(groups: list[list[LegendEntry]], width: float) -> tuple[list[list[LegendEntry]], int]:
    """Return the rows of a legend that fits into ``width`` inches, and their length. Each group starts a new row."""
    from matplotlib.lines import Line2D

    blank = (Line2D([], [], linestyle="none"), "")
    for columns in range(max(map(len, groups), default=1), 0, -1):
        rows = [
            (group[i : i + columns] + [blank] * columns)[:columns]
            for group in groups
            for i in range(0, len(group), columns)
        ]
        characters = sum(max(len(row[column][1]) for row in rows) for column in range(columns) if rows)
        if characters * CHARACTER + columns * LEGEND_HANDLE <= width:
            break
    return rows, columns


def _dashes(curve: Curve) -> Any:
    return DASHED if curve.dashed else SOLID


def _is_smoothed(curve: Curve, smoothing: float) -> bool:
    return smoothing > 0 and len(curve.y) > UNSMOOTHED_POINTS


def _smoothing_note(panel: Sequence[Curve], smoothing: float) -> str:
    """Return the second line of an axis label, which explains how each point was computed."""
    averaged = max(curve.lines_per_point for curve in panel)
    parts = [f"means of {averaged} lines"] if averaged > 1 else []
    if any(_is_smoothed(curve, smoothing) for curve in panel):
        parts.append(f"EMA, weight {smoothing:g}")
    return f"\n({'; '.join(parts)})" if parts else ""


def _legend_label(label: str) -> str:
    """Return the label of a line. An initial underscore is escaped because matplotlib would hide the label."""
    return _shorten(f" {label}" if label.startswith("_") else label)


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_LABEL else f"{text[: MAX_LABEL - 1]}…"
