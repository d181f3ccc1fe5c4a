"""The curves and pictures of a report for print: PDF, SVG, or PNG at 300 dots per inch."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganctl.errors import USAGE, GanctlError
from ganctl.rendering import grid_images
from ganctl.reports import curves, frames
from ganctl.reports.curves import Chart
from ganctl.reports.page import matrix
from ganctl.runs.history import Frame
from ganctl.system.files import disk_error, write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ganctl.reports.summary import Report

FORMATS = ("pdf", "svg", "png")
DPI = 300
COLUMN = 3.4  # inches: a column of a paper in two columns
#: The colors of the page, in the same order.
COLORS = (
    "#2f62d6", "#cf3f55", "#1f8f60", "#b3740a", "#8449c8", "#0a859b", "#b8438d", "#687a1c", "#9a5230", "#5a6472",
)  # fmt: skip
SMOOTHING = 0.6
STYLE: Any = {
    "font.size": 8, "axes.linewidth": 0.6, "axes.spines.top": False, "axes.spines.right": False, "lines.linewidth": 1.1,
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "legend.frameon": False, "legend.fontsize": 7,
    "pdf.fonttype": 42, "svg.hashsalt": "ganctl", "axes.unicode_minus": True,
}  # fmt: skip


def write(report: Report, folder: Path, kind: str = "pdf") -> list[Path]:
    """Write a file for each chart and one with the pictures into ``folder``.

    Raises:
        GanctlError: ``kind`` is none of FORMATS, or the folder cannot be written.
    """
    if kind not in FORMATS:
        raise GanctlError(
            f"There is no figure format '{kind}'.", f"There are: {', '.join(FORMATS)}.", status=USAGE
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(folder, error) from error
    written = []
    for name, figure in figures(report):
        path = folder / f"{name}.{kind}"
        write_atomically(path, save(figure, kind))
        written.append(path)
    return written


def figures(report: Report) -> Iterator[tuple[str, Figure]]:
    """Each figure with a name for its file."""
    histories = [entry.history for entry in report.entries]
    used: set[str] = set()
    for chart in curves.charts(histories):
        title = "answers" if chart.title == curves.ANSWERS else chart.title.lower()
        name = re.sub(r"[^a-z0-9]+", "-", title).strip("-") or "chart"
        while name in used:  # probabilities, and answers that are none
            name += "-raw"
        used.add(name)
        yield name, draw_chart(report, chart)
    if any(entry.film.images for entry in report.entries):
        yield "pictures", draw_pictures(report)


def save(figure: Figure, kind: str, dpi: int = DPI) -> bytes:
    from matplotlib import rc_context

    buffer = io.BytesIO()
    nothing: dict[str, Any] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
    with rc_context(STYLE):
        figure.savefig(
            buffer, format=kind, dpi=dpi, bbox_inches="tight", pad_inches=0.03, metadata=nothing[kind]
        )
    return buffer.getvalue()


def draw_chart(report: Report, chart: Chart, width: float = COLUMN) -> Figure:
    """One chart, smoothed as the page is at first; the points themselves faint behind it."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(width, width * 0.62))
        axes = figure.subplots()
        handles: dict[int, Any] = {}
        for curve in chart.curves:
            color = COLORS[curve.run % len(COLORS)]
            raw = np.array([np.nan if v is None else v for v in curve.y])
            x = np.array(curve.x["epoch"] if any(curve.x["epoch"]) else curve.x["step"])
            smooth = smoothed(raw, SMOOTHING) if len(raw) > 8 else raw
            if not curve.dashed and len(raw) > 8:
                axes.plot(x, raw, color=color, alpha=0.2, linewidth=0.6)
            style = (0, (4, 2.5)) if curve.dashed else "-"
            (line,) = axes.plot(x, smooth, color=color, linestyle=style)
            handles.setdefault(curve.run, line)
        axes.set_xlabel("epoch")
        axes.set_ylabel(_short(chart.title), parse_math=False)
        if chart.unit:
            axes.set_ylim(0, 1)
        else:
            sizes = [np.abs([v for v in curve.y if v is not None]) for curve in chart.curves]
            spans = [float(np.quantile(size, 0.9)) for size in sizes if len(size) and size.any()]
            if spans and max(spans) > 15 * min(spans):  # one scale would hide the small ones
                axes.set_yscale("symlog", linthresh=max(min(spans), 1e-6))
        axes.grid(alpha=0.25, linewidth=0.5)
        if len(report.entries) > 1:
            names = [_legend(report.entries[run].label) for run in handles]
            below: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0, -0.2), "ncols": 2}
            legend = axes.legend(list(handles.values()), names, **(below if len(names) > 4 else {}))
            for label in legend.get_texts():
                label.set_parse_math(False)
    return figure


def draw_pictures(report: Report, width: float = 7.0) -> Figure:
    """The newest sample of every run in rows and columns, reals at the end."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rows, columns, places = matrix(report)
    if len(rows) == 1 and len(columns) > 4:  # runs that differ in one setting: as many lines as are needed
        table = [columns[i : i + 4] for i in range(0, len(columns), 4)]
        cells = [[(name, places[rows[0], name][0]) for name in line] for line in table]
    else:
        cells = [
            [
                (f"{row}\n{column}".strip(), found[0])
                for column in columns
                if (found := places.get((row, column)))
            ]
            for row in rows
        ]
    reals = next((e.history.real for e in report.entries if e.history.real and e.film.real), None)
    across = max(len(line) for line in cells) + bool(reals)
    side = width / across
    with rc_context(STYLE):
        figure = Figure(figsize=(width, (side + 0.3) * len(cells)))
        grid = figure.subplots(len(cells), across, squeeze=False)
        figure.subplots_adjust(0, 0, 1, 1, wspace=0.06, hspace=0.3 / side)
        for axes in grid.flat:
            axes.set_axis_off()
        for line, axes_line in zip(cells, grid, strict=True):
            for (name, i), axes in zip(line, axes_line, strict=False):
                axes.set_title("\n".join(map(_short, name.split("\n"))), fontsize=7, parse_math=False)
                if report.entries[i].film.frames:
                    _show(axes, report, i, report.entries[i].film.frames[-1])
        if reals:
            grid[0][-1].set_title("reals", fontsize=7)
            _show(grid[0][-1], report, 0, Frame(0, 0.0, reals))
    return figure


def smoothed(values: grid_images.Array, weight: float) -> grid_images.Array:
    """The exponential moving average without its pull towards zero at the beginning; gaps stay gaps."""
    total = norm = 0.0
    out = np.full(len(values), np.nan)
    for i, value in enumerate(values):
        if np.isfinite(value):
            total, norm = total * weight + value * (1 - weight), norm * weight + (1 - weight)
            out[i] = total / norm
    return out


def _show(axes: Any, report: Report, i: int, frame: Frame) -> None:
    """The picture as it is in the run folder, in full."""
    image = frame.open()
    layout = grid_images.layout(image, int(report.entries[i].history.config.get("samples", 64)))
    pixels = np.asarray(frames.crop(image, layout, None))
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")


def _legend(label: str) -> str:
    return _short(f" {label}" if label.startswith("_") else label)  # matplotlib hides what begins so


def _short(text: str) -> str:
    """What leaves room for the picture."""
    return text if len(text) <= 40 else f"{text[:39]}…"
