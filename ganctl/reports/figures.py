"""The figures of a report for print, one or two columns wide, as PDF, SVG, or PNG at 300 dots per inch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ganctl.errors import USAGE, GanctlError
from ganctl.rendering.column_titles import LOSSES, title
from ganctl.rendering.figure_style import encode
from ganctl.reports import curves
from ganctl.reports.curves import Chart
from ganctl.reports.figure_of_curves import draw_curves
from ganctl.reports.figure_of_samples import draw_samples
from ganctl.system.files import disk_error, write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ganctl.reports.report import Report

FORMATS = ("pdf", "svg", "png")
WIDTHS = {1: 3.25, 2: 6.75}  # inches, by number of columns
SMOOTHING = 0.6
LOSSES_TITLE = "loss"


def write(
    report: Report, folder: Path, file_format: str = "pdf", *, columns: int = 1, smoothing: float = SMOOTHING
) -> list[Path]:
    """Write one file per figure of curves, and one file with the samples of all runs, to ``folder``.

    Args:
        file_format: one of ``FORMATS``.
        columns: width of the figures in columns of a two-column paper, 1 or 2.
        smoothing: weight of the moving average in [0, 1). 0 disables smoothing.

    Raises:
        GanctlError: the format does not exist, or the folder is not writable.
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
    found = list(figures_of_curves(report, columns=columns, smoothing=smoothing))
    if any(entry.series.images for entry in report.entries):
        found.append(("samples", draw_samples(report, WIDTHS[columns])))
    written = []
    for name, figure in found:
        path = folder / f"{name}.{file_format}"
        write_atomically(path, encode(figure, file_format))
        written.append(path)
    return written


def figures_of_curves(
    report: Report, *, columns: int = 1, smoothing: float = SMOOTHING
) -> Iterator[tuple[str, Figure]]:
    """Yield names, usable as file names, and figures: of the losses, of the outputs of D, and of each metric."""
    labels = [entry.label for entry in report.entries]
    used: set[str] = set()
    for chart in _charts(report):
        names = {curves.D_OUTPUTS_TITLE: "d-outputs", LOSSES_TITLE: "losses"}
        name = re.sub(r"[^a-z0-9]+", "-", names.get(chart.title, chart.title).lower()).strip("-") or "chart"
        while name in used:  # outputs of D may have two charts: probabilities and unbounded outputs
            name += "-raw"
        used.add(name)
        yield name, draw_curves(chart, labels, WIDTHS[columns], smoothing)


def _charts(report: Report) -> list[Chart]:
    """Return the charts of the page, but with the losses of G and D in one chart."""
    found = curves.charts([entry.history for entry in report.entries])
    titles = [title(name) for name in LOSSES]
    losses = [curve for chart in found if chart.title in titles for curve in chart.curves]
    dashed = [replace(curve, dashed=curve.name != LOSSES[0]) for curve in losses]
    others = [chart for chart in found if chart.title not in titles]
    return [Chart(LOSSES_TITLE, "", dashed), *others] if losses else others
