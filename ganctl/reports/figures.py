"""The charts and samples of a report for print: PDF, SVG, or PNG at 300 dots per inch."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganctl.errors import USAGE, GanctlError
from ganctl.rendering import split_grid
from ganctl.reports import curves, samples_over_epochs
from ganctl.reports.content import matrix
from ganctl.reports.curves import Chart
from ganctl.system.files import disk_error, write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

    from ganctl.reports.report import Report

FORMATS = ("pdf", "svg", "png")
DPI = 300
COLUMN_WIDTH = 3.4  # inches: one column of a two-column paper
MAX_COLUMNS = 4  # grids side by side
MAX_TITLE = 40  # characters
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


def write(report: Report, folder: Path, file_format: str = "pdf") -> list[Path]:
    """Write one file per chart and one file with the samples of all runs into ``folder``.

    Raises:
        GanctlError: ``file_format`` is not in FORMATS, or the folder cannot be written.
    """
    if file_format not in FORMATS:
        raise GanctlError(
            f"There is no figure format '{file_format}'.",
            f"Choose one of: {', '.join(FORMATS)}.",
            status=USAGE,
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(folder, error) from error
    found = list(charts(report))
    if any(entry.series.images for entry in report.entries):
        found.append(("samples", draw_samples(report)))
    written = []
    for name, figure in found:
        path = folder / f"{name}.{file_format}"
        write_atomically(path, encode(figure, file_format))
        written.append(path)
    return written


def charts(report: Report) -> Iterator[tuple[str, Figure]]:
    """Yield the name, usable as a file name, and the figure of each chart."""
    histories = [entry.history for entry in report.entries]
    used: set[str] = set()
    for chart in curves.charts(histories):
        title = "d-outputs" if chart.title == curves.D_OUTPUTS_TITLE else chart.title.lower()
        name = re.sub(r"[^a-z0-9]+", "-", title).strip("-") or "chart"
        while name in used:  # outputs of D have two charts: probabilities and unbounded outputs
            name += "-raw"
        used.add(name)
        yield name, draw_chart(report, chart)


def encode(figure: Figure, file_format: str, dpi: int = DPI) -> bytes:
    """Return the content of an image file of ``figure``, without a date, so that equal figures give equal files."""
    from matplotlib import rc_context

    buffer = io.BytesIO()
    metadata: dict[str, Any] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
    with rc_context(STYLE):
        figure.savefig(
            buffer,
            format=file_format,
            dpi=dpi,
            bbox_inches="tight",
            pad_inches=0.03,
            metadata=metadata[file_format],
        )
    return buffer.getvalue()


def draw_chart(report: Report, chart: Chart, width: float = COLUMN_WIDTH) -> Figure:
    """Draw a chart as the page does: smoothed lines, with the original values faintly behind them."""
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
        axes.set_ylabel(_shorten(chart.title), parse_math=False)
        if chart.probability:
            axes.set_ylim(0, 1)
        else:
            sizes = [np.abs([v for v in curve.y if v is not None]) for curve in chart.curves]
            spans = [float(np.quantile(size, 0.9)) for size in sizes if len(size) and size.any()]
            if spans and max(spans) > 15 * min(spans):  # a linear scale would hide the small values
                axes.set_yscale("symlog", linthresh=max(min(spans), 1e-6))
        axes.grid(alpha=0.25, linewidth=0.5)
        if len(report.entries) > 1:
            names = [_legend_label(report.entries[run].label) for run in handles]
            below: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0, -0.2), "ncols": 2}
            legend = axes.legend(list(handles.values()), names, **(below if len(names) > 4 else {}))
            for label in legend.get_texts():
                label.set_parse_math(False)
    return figure


def draw_samples(report: Report, width: float = 7.0) -> Figure:
    """Draw the newest sample grid of every run in rows and columns, with real images at the end."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    found = matrix(report)
    if len(found.rows) == 1 and len(found.columns) > MAX_COLUMNS:
        names = found.columns
        lines = [names[i : i + MAX_COLUMNS] for i in range(0, len(names), MAX_COLUMNS)]
        cells = [[(name, found.cell(found.rows[0], name)[0]) for name in line] for line in lines]
    else:
        cells = [
            [
                (f"{row}\n{column}".strip(), found.cell(row, column)[0])
                for column in found.columns
                if found.cell(row, column)
            ]
            for row in found.rows
        ]
    real = next((e.history for e in report.entries if e.history.real and e.series.real), None)
    across = max(len(line) for line in cells) + bool(real)
    side = width / across
    with rc_context(STYLE):
        figure = Figure(figsize=(width, (side + 0.3) * len(cells)))
        grid = figure.subplots(len(cells), across, squeeze=False)
        figure.subplots_adjust(0, 0, 1, 1, wspace=0.06, hspace=0.3 / side)
        for axes in grid.flat:
            axes.set_axis_off()
        for line, axes_line in zip(cells, grid, strict=True):
            for (name, i), axes in zip(line, axes_line, strict=False):
                axes.set_title("\n".join(map(_shorten, name.split("\n"))), fontsize=7, parse_math=False)
                entry = report.entries[i]
                if entry.series.frames:
                    image = entry.series.frames[-1].open()
                    _show(axes, image, samples_over_epochs.sample_layout(entry.history, image))
        reals = samples_over_epochs.open_image(real.real) if real else None
        if real and reals:
            grid[0][-1].set_title("reals", fontsize=7)
            _show(grid[0][-1], reals, split_grid.layout_of(reals, real.status.image))
    return figure


def smoothed(values: split_grid.Array, weight: float) -> split_grid.Array:
    """Return the exponential moving average without its bias towards zero. Gaps are kept."""
    total = norm = 0.0
    out = np.full(len(values), np.nan)
    for i, value in enumerate(values):
        if np.isfinite(value):
            total, norm = total * weight + value * (1 - weight), norm * weight + (1 - weight)
            out[i] = total / norm
    return out


def _show(axes: Any, image: Image, layout: split_grid.Layout | None) -> None:
    """Show an image of the run folder in its original quality."""
    pixels = np.asarray(samples_over_epochs.crop(image, layout, None))
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")


def _legend_label(label: str) -> str:
    return _shorten(
        f" {label}" if label.startswith("_") else label
    )  # matplotlib hides labels that begin with _


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_TITLE else f"{text[: MAX_TITLE - 1]}…"
