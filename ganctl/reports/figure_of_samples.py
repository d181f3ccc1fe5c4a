"""A figure of samples for print: runs side by side, or rows of epochs, with real images at the end."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ganctl.rendering import split_grid
from ganctl.rendering.figure_style import figure_style
from ganctl.reports import samples_over_epochs
from ganctl.reports.content import epoch_title, matrix

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

    from ganctl.reports.report import Report

MAX_ACROSS = 4  # grids side by side
SMALLEST = 0.1  # inches; fewer images are shown if the images would be smaller
DPI = 300  # minimum resolution of images in PDF and SVG files
GAP, LINE, PADDING = 0.06, 0.13, 0.05  # inches; between grids, per line of text, around text
CHARACTER = 0.07  # inches; width of a character of text
MAX_TITLE_LINES = 3


@dataclass(frozen=True)
class Cell:
    """A cell of a figure: a grid, or None, with a title above it and the title of its row on the left."""

    title: str
    grid: Image | None
    layout: split_grid.Layout | None
    row: str = ""


def draw_samples(report: Report, width: float) -> Figure:
    """Draw the sample grids of all runs at the chosen epochs, or the newest grids, ``width`` inches wide."""
    rows = _cells(report)
    real = next((e.history for e in report.entries if e.history.real and e.series.real), None)
    reals = samples_over_epochs.open_image(real.real) if real else None
    if real and reals:
        rows[0].append(Cell("reals", reals, split_grid.layout_of(reals, real.status.image)))
    across = max(map(len, rows))
    left = LINE + PADDING if any(cell.row for row in rows for cell in row) else 0
    side = (width - left - GAP * (across - 1)) / across
    rows = [[_fit(cell, side) for cell in row] for row in rows]
    text_heights = [max(_text_height(cell) for cell in row) for row in rows]
    grid_heights = [max(_grid_height(cell, side) for cell in row) for row in rows]
    height = sum(text_heights) + sum(grid_heights) + PADDING * len(rows)
    with figure_style():
        from matplotlib.figure import Figure

        figure = Figure((width, height))
        top = height
        for row, text_height, grid_height in zip(rows, text_heights, grid_heights, strict=True):
            top -= text_height
            for column, cell in enumerate(row):
                _draw_cell(figure, cell, left + column * (side + GAP), top, side)
            if row[0].row:
                middle = top - _grid_height(row[0], side) / 2
                _write(figure, row[0].row, LINE / 2, middle, rotation=90, verticalalignment="center")
            top -= grid_height + PADDING
    return figure


def _draw_cell(figure: Figure, cell: Cell, x: float, top: float, side: float) -> None:
    """Draw a grid below ``top`` and its title above. All positions are in inches from the left and bottom edges."""
    width, height = figure.get_size_inches()
    grid_height = _grid_height(cell, side)
    axes = figure.add_axes((x / width, (top - grid_height) / height, side / width, grid_height / height))
    axes.set_axis_off()
    _write(figure, cell.title, x + side / 2, top + PADDING)
    if cell.grid is not None:
        scale = math.ceil(DPI * side / cell.grid.width)  # viewers blur small images when they enlarge them
        pixels = np.asarray(cell.grid).repeat(scale, 0).repeat(scale, 1)
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, aspect="auto")


def _write(figure: Figure, text: str, x: float, y: float, **options: Any) -> None:
    style = {"horizontalalignment": "center", "verticalalignment": "bottom", "parse_math": False, **options}
    if text:
        figure.text(x, y, text, transform=figure.dpi_scale_trans, **style)


def _text_height(cell: Cell) -> float:
    return LINE * len(cell.title.split("\n")) + PADDING if cell.title else 0.0


def _grid_height(cell: Cell, side: float) -> float:
    return side if cell.grid is None else side * cell.grid.height / cell.grid.width


def _fit(cell: Cell, side: float) -> Cell:
    """Wrap the title, and crop the grid so that its images are large enough at a width of ``side`` inches."""
    characters = max(4, int(side / CHARACTER))
    lines = textwrap.wrap(cell.title, characters, max_lines=MAX_TITLE_LINES, placeholder="…")
    grid, layout = cell.grid, cell.layout
    if grid is not None and layout is not None:
        across = min(layout.columns, max(2, int(side / SMALLEST)))
        down = layout.rows if across == layout.columns else min(layout.rows, across)
        grid = grid.crop((0, 0, *layout.size(across, down)))
    row = textwrap.shorten(cell.row, characters, placeholder="…")
    return replace(cell, title="\n".join(lines), grid=grid, row=row)


def _cells(report: Report) -> list[list[Cell]]:
    if len(report.chosen_epochs) > 1:
        return _runs_by_epochs(report)
    found = matrix(report)
    if len(found.rows) == 1:
        chosen = [found.cell(found.rows[0], name)[0] for name in found.columns]
        titles = list(zip(chosen, found.columns, strict=True))
        lines = [titles[i : i + MAX_ACROSS] for i in range(0, len(titles), MAX_ACROSS)]
    else:
        lines = [
            [
                (found.cell(row, column)[0], f"{row} {column}".strip())
                for column in found.columns
                if found.cell(row, column)
            ]
            for row in found.rows
        ]
    last = len(report.epochs) - 1
    return [[_cell(report, i, last, name) for i, name in line] for line in lines]


def _runs_by_epochs(report: Report) -> list[list[Cell]]:
    """Return a row for each run and a column for each epoch. The epochs of a single run may need several rows."""
    several = len(report.entries) > 1
    rows = [
        [_cell(report, i, k, None, row=entry.label if several else "") for k in range(len(report.epochs))]
        for i, entry in enumerate(report.entries)
    ]
    if several:
        titles = [[cell.title for cell in row] for row in rows]
        repeated = [i > 0 and row == titles[0] for i, row in enumerate(titles)]
        return [
            [replace(c, title="") if again else c for c in row]
            for row, again in zip(rows, repeated, strict=True)
        ]
    return [rows[0][k : k + MAX_ACROSS] for k in range(0, len(rows[0]), MAX_ACROSS)]


def _cell(report: Report, i: int, position: int, title: str | None, row: str = "") -> Cell:
    """Return the grid of run ``i`` at an epoch of the report. The default title is the grid's epoch."""
    entry = report.entries[i]
    index = entry.series.positions[position] if entry.series.positions else -1
    if index < 0:
        return Cell(title or "no samples yet", None, None, row)
    frame = entry.series.frames[index]
    image = frame.open()
    layout = samples_over_epochs.sample_layout(entry.history, image)
    return Cell(title if title is not None else epoch_title(frame.epoch), image, layout, row)
