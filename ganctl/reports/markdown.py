"""The report as a Markdown file, with its images as PNG files in a folder next to the file."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganctl.rendering.figure_style import encode
from ganctl.reports import figures, samples_over_epochs
from ganctl.reports.content import LEVEL_TITLES, STATES, Content, SettingRow, collect, epoch_title, over_time
from ganctl.system.files import disk_error, write_atomically

if TYPE_CHECKING:
    from ganctl.reports.report import Report

DPI = 200  # twice the resolution of a screen at the width of a chart below
CHART_WIDTH = 420  # pixels
MAX_EPOCHS = 5  # columns of the table of epochs
MAX_COLUMNS = 4  # grids side by side


def write(report: Report, path: Path, *, comment: str = "") -> list[Path]:
    """Write the report to ``path`` and its images to the folder ``NAME_files`` next to it.

    Args:
        comment: text that the Markdown file contains but does not display.

    Returns:
        All files that were written.
    """
    folder = path.with_name(f"{path.stem}_files")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise disk_error(folder, error) from error
    content, images = collect(report), _ImageFolder(folder)
    sections = [
        ("Findings", "\n".join(_findings(content))),
        ("Samples", _samples(content, images)),
        ("Samples by epoch", _over_time(content, images)),
        ("Curves", _charts(report, images)),
        ("Settings that differ", _settings(content)),
        ("Time, speed and numbers", f"{_runs(content)}\n\n{text(content.table.note)}"),
    ]
    parts = [f"# {text(content.title)}", text(content.overview)]
    parts += [f"## {title}\n\n{content}" for title, content in sections if content]
    if comment:
        parts.append(f"<!-- {comment} -->")
    write_atomically(path, ("\n\n".join(parts) + "\n").encode())
    return [path, *images.written]


class _ImageFolder:
    """A folder of PNG files, and the Markdown that displays them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[Path] = []

    def add(self, name: str, data: bytes) -> str:
        """Write a file and return its path relative to the Markdown file."""
        write_atomically(self.folder / name, data)
        self.written.append(self.folder / name)
        return f"{self.folder.name}/{name}"

    def show(self, name: str, image: bytes, alt: str) -> str:
        """Write an encoded image as PNG and return the Markdown that displays it."""
        buffer = io.BytesIO()
        samples_over_epochs.decode(image).save(buffer, "PNG", optimize=True)
        return f"![{text(alt)}]({self.add(name, buffer.getvalue())})"


def text(value: str) -> str:
    """Escape all characters that Markdown or HTML would interpret."""
    flat = " ".join(value.split())
    return re.sub(r"([\\`*_{}\[\]<>#|!~$&])", r"\\\1", flat).replace("\\<", "&lt;").replace("\\>", "&gt;")


def _findings(content: Content) -> list[str]:
    lines = []
    for remark in content.remarks:
        names = ", ".join(content.runs[i].label for i in remark.runs)
        words = f"{names}: {remark.text}" if len(content.runs) > 1 else remark.text
        lines.append(f"- **{LEVEL_TITLES[remark.level]}** {text(words)}")
    return lines


def _samples(content: Content, images: _ImageFolder) -> str:
    if not content.has_samples:
        return "There are no samples yet."
    rows, columns = content.matrix.rows, content.matrix.columns

    def cell(i: int) -> str:
        run = content.runs[i]
        if not run.series.images:
            return "no samples yet"
        return (
            f"{images.show(f'run-{i:02d}.png', run.series.images[-1], run.alt_text())}<br>{text(run.caption)}"
        )

    real = "".join(
        images.show(f"reals-{n}.png", reals.image, reals.alt_text) for n, reals in enumerate(content.reals)
    )
    if len(rows) == 1 and len(columns) > MAX_COLUMNS:
        body = [[text(column), *map(cell, content.matrix.cell(rows[0], column))] for column in columns]
        return _table(["", "samples"], [*([["reals", real]] if real else []), *body])
    head = ["", *columns, *(["reals"] if real else [])]
    body = []
    for number, row in enumerate(rows):
        cells = ["<br>".join(map(cell, content.matrix.cell(row, column))) for column in columns]
        body.append([text(row), *cells, *([real if number == 0 else ""] if real else [])])
    return _table(head, body)


def _over_time(content: Content, images: _ImageFolder) -> str:
    epochs = over_time(content, MAX_EPOCHS)
    if len(epochs) < 2:
        return ""
    rows = []
    for i, run in enumerate(content.runs):
        cells = [
            ""
            if index is None
            else images.show(f"run-{i:02d}-{number}.png", run.series.images[index], run.alt_text(index))
            for number, index in enumerate(row[i] for _, row in epochs)
        ]
        rows.append([text(run.label), *cells])
    return _table(["", *(epoch_title(epoch) for epoch, _ in epochs)], rows)


def _charts(report: Report, images: _ImageFolder) -> str:
    shown = []
    for name, figure in figures.figures_of_curves(report):
        path = images.add(f"{name}.png", encode(figure, "png", DPI))
        shown.append(f'<img src="{path}" width="{CHART_WIDTH}" alt="{name} by epoch">')
    return "\n".join(shown)


def _settings(content: Content) -> str:
    rows: list[SettingRow] = [*content.settings.different, *content.settings.partial]
    if not rows:
        return ""
    head = ["", *(run.label for run in content.runs)]
    return _table(head, [[text(row.title), *map(text, row.values)] for row in rows])


def _runs(content: Content) -> str:
    head = ["", "state", "steps", "epochs", "time", "images/s", *content.table.columns]
    rows = []
    for row in content.table.rows:
        steps = f"{row.step}/{row.total}" if row.total else row.step
        cells = [row.label, STATES[row.state], steps, row.epoch, row.time, row.speed, *row.values]
        rows.append([text(cell) for cell in cells])
    return _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table. The cells of ``rows`` are Markdown, and the cells of ``head`` are plain text."""
    lines = [[text(cell) for cell in head], ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
