"""The report as Markdown, with its pictures as PNG files in a folder beside it."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

from ganctl.reports import curves, figures, frames, page, settings
from ganctl.reports.settings import show
from ganctl.system.files import disk_error, write_atomically
from ganctl.system.progress import clock

if TYPE_CHECKING:
    from PIL.Image import Image

    from ganctl.reports.summary import Report

DPI = 200  # sharp on a screen, at the width below
MOST_EPOCHS = 5  # columns of the table over the epochs


def write(report: Report, path: Path) -> list[Path]:
    """Write ``path`` and the pictures that it shows, in ``NAME_files`` beside it; all files that were written."""
    folder = path.with_name(f"{path.stem}_files")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise disk_error(folder, error) from error
    sheet = _Sheet(folder)
    parts = [
        f"# {text(report.title)}",
        text(unescape(page.lead(report))),
        "## What stands out\n\n" + "\n".join(_findings(report)),
        "## Pictures\n\n" + _pictures(report, sheet),
    ]
    over_time = _over_time(report, sheet)
    if over_time:
        parts.append("## Over the epochs\n\n" + over_time)
    shown = []
    for name, figure in figures.figures(report):
        if name != "pictures":
            sheet.add(f"{name}.png", figures.save(figure, "png", DPI))
            shown.append(f'<img src="{folder.name}/{name}.png" width="420" alt="{name} over the epochs">')
    if shown:
        parts.append("## Curves\n\n" + "\n".join(shown))
    different = settings.differing(report.settings)
    if different:
        head = ["", *(entry.label for entry in report.entries)]
        rows = [[s.title, *(show(v) for v in s.values)] for s in different]
        parts.append("## Settings that differ\n\n" + _table(head, rows))
    parts.append("## Time, speed and numbers\n\n" + _runs(report))
    write_atomically(path, ("\n\n".join(parts) + "\n").encode())
    return [path, *sheet.written]


class _Sheet:
    """Files in a folder, and how a Markdown text shows them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[Path] = []

    def add(self, name: str, data: bytes) -> str:
        write_atomically(self.folder / name, data)
        self.written.append(self.folder / name)
        return f"{self.folder.name}/{name}"

    def picture(self, name: str, image: Image, alt: str) -> str:
        buffer = io.BytesIO()
        image.save(buffer, "PNG", optimize=True)
        return f"![{text(alt)}]({self.add(name, buffer.getvalue())})"


def text(value: str) -> str:
    """``value`` with nothing in it that Markdown or HTML would take for more than text."""
    flat = " ".join(value.split())
    return re.sub(r"([\\`*_{}\[\]<>#|!~$&])", r"\\\1", flat).replace("\\<", "&lt;").replace("\\>", "&gt;")


def _findings(report: Report) -> list[str]:
    several = len(report.entries) > 1
    lines = [
        (page.LEVELS[finding.level], (f"{entry.label}: " if several else "") + finding.text)
        for entry in report.entries
        for finding in entry.findings
    ]
    order = list(page.LEVELS.values())
    return [
        f"- **{level}** {text(words)}"
        for level, words in sorted(lines, key=lambda line: order.index(line[0]))
    ]


def _pictures(report: Report, sheet: _Sheet) -> str:
    rows, columns, places = page.matrix(report)
    reals: dict[bytes, int] = {}
    for i, entry in enumerate(report.entries):
        if entry.film.real is not None:
            reals.setdefault(entry.film.real, i)

    def cell(i: int) -> str:
        entry = report.entries[i]
        if not entry.film.images:
            return "nothing yet"
        when = page.when(entry, -1)
        alt = f"Pictures drawn by {entry.label}, {when}"
        picture = sheet.picture(f"run-{i:02d}.png", frames.decode(entry.film.images[-1]), alt)
        return f"{picture}<br>{text(when)}"

    real = "".join(
        sheet.picture(f"reals-{n}.png", frames.decode(data), "Real pictures") for n, data in enumerate(reals)
    )
    if len(rows) == 1 and len(columns) > 4:  # more than fit side by side
        return _table(
            ["", "pictures"],
            [*([["reals", real]] if real else []), *([c, *map(cell, places[rows[0], c])] for c in columns)],
            html=True,
        )
    head = ["", *columns, *(["reals"] if real else [])]
    body = []
    for number, row in enumerate(rows):
        cells = ["<br>".join(map(cell, places.get((row, column), []))) for column in columns]
        body.append([text(row), *cells, *([real if number == 0 else ""] if real else [])])
    return _table(head, body, html=True)


def _over_time(report: Report, sheet: _Sheet) -> str:
    stops = [i for i, stop in enumerate(report.stops) if stop > 0] or list(range(len(report.stops)))
    chosen = [int(i) for i in frames.thin(stops, MOST_EPOCHS)]
    if len(chosen) < 2:
        return ""
    rows = []
    for i, entry in enumerate(report.entries):
        cells = []
        for stop in chosen:
            at = entry.film.at[stop] if entry.film.at else -1
            over = report.stops[stop] > entry.history.epoch + 0.5
            if at < 0 or over:
                cells.append("")
                continue
            alt = f"{entry.label}, {page.when(entry, at)}"
            cells.append(
                sheet.picture(f"run-{i:02d}-epoch-{stop:02d}.png", frames.decode(entry.film.images[at]), alt)
            )
        rows.append([text(entry.label), *cells])
    return _table(["", *(f"epoch {round(report.stops[i], 2):g}" for i in chosen)], rows, html=True)


def _runs(report: Report) -> str:
    histories = [entry.history for entry in report.entries]
    metrics = curves.metric_names(histories)
    head = [
        "",
        "state",
        "steps",
        "epochs",
        "time",
        "images/s",
        "G loss",
        "D loss",
        "D(x)",
        "D(G(z))",
        *metrics,
    ]
    rows = []
    for entry, h in zip(report.entries, histories, strict=True):
        rate = h.images_per_second
        rows.append(
            [
                entry.label,
                page.STATES[h.state],
                f"{h.step:,}",
                f"{h.epoch:.4g}",
                clock(h.seconds) if h.seconds else "–",
                f"{rate:,.0f}" if rate else "–",
                *(page.ending(h.column(name)) for name in ("g_loss", "d_loss", "D(x)", "D(G(z))")),
                *(page.last(h.metrics, name) for name in metrics),
            ]
        )
    return _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, html: bool = False) -> str:
    """A table; its cells are Markdown already if ``html``, else text."""
    lines = [[text(cell) for cell in head], ["---"] * len(head)]
    lines += [list(row) if html else [text(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
