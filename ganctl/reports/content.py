"""The content of a report as plain data, which the renderers format as HTML, Markdown, figures or text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganctl.reports import curves, settings
from ganctl.reports.curves import Chart
from ganctl.reports.run_table import RunTable, run_table
from ganctl.reports.samples_over_epochs import SampleSeries, subsample
from ganctl.reports.settings import Setting, format_value
from ganctl.reports.training_problems import LEVELS, Finding, Level
from ganctl.runs.read_run import Frame, History
from ganctl.runs.status import State
from ganctl.system.progress import clock
from ganctl.version import __version__

if TYPE_CHECKING:
    from ganctl.reports.report import Report

MIN_FILLED = 0.75  # maximum fraction of empty cells in a matrix of samples
STATES: dict[State, str] = {
    "waiting": "not started", "running": "running", "stopped": "stopped", "finished": "finished",
    "diverged": "diverged", "failed": "failed", "killed": "killed",
}  # fmt: skip
LEVEL_TITLES: dict[Level, str] = {"bad": "problem", "warn": "warning", "info": "note", "good": "OK"}


@dataclass(frozen=True)
class RunContent:
    """One run.

    Attributes:
        label: text that distinguishes the run from the report's other runs.
        captions: epoch and step of each image of ``series``.
        epoch: epoch of the last step.
        problem: the worst finding, if it is a problem that the run's state does not already show.
    """

    label: str
    state: State
    series: SampleSeries
    captions: list[str]
    epoch: float
    problem: str

    @property
    def caption(self) -> str:
        """Caption of the newest sample grid; empty if there is no grid."""
        return self.captions[-1] if self.captions else ""

    def alt_text(self, index: int = -1) -> str:
        """Alternative text of an image of ``series``."""
        return f"Samples of {self.label}, {self.captions[index]}"


@dataclass(frozen=True)
class Remark:
    """A finding, with the indices of the runs to which it applies."""

    level: Level
    text: str
    runs: tuple[int, ...]


@dataclass(frozen=True)
class Reals:
    """Encoded real images of a dataset. ``run`` is the index of the first run with this dataset."""

    image: bytes
    data: str
    run: int

    @property
    def alt_text(self) -> str:
        return f"Real images of {self.data}"


@dataclass(frozen=True)
class Matrix:
    """Titles of rows and columns, and the indices of the runs in each cell. Without two axes, there is one row."""

    rows: list[str]
    columns: list[str]
    cells: dict[tuple[str, str], list[int]]

    def cell(self, row: str, column: str) -> list[int]:
        return self.cells.get((row, column), [])

    @property
    def is_list(self) -> bool:
        """True if the runs have no second axis."""
        return len(self.rows) == 1 or len(self.columns) == 1


@dataclass(frozen=True)
class SettingRow:
    """A setting with one value per run. ``unusual`` marks the runs whose value is not the most common value."""

    title: str
    is_axis: bool
    values: list[str]
    unusual: list[bool]


@dataclass(frozen=True)
class ReportSettings:
    """Settings that differ, settings that only some runs have, and titles and values of all other settings."""

    different: list[SettingRow]
    partial: list[SettingRow]
    same: list[tuple[str, str]]


@dataclass(frozen=True)
class Content:
    """The content of a report."""

    title: str
    overview: str
    runs: list[RunContent]
    remarks: list[Remark]
    epochs: list[float]
    matrix: Matrix
    reals: list[Reals]
    charts: list[Chart]
    settings: ReportSettings
    table: RunTable
    footer: str

    @property
    def has_samples(self) -> bool:
        return any(run.series.images for run in self.runs)


def collect(report: Report) -> Content:
    """Return the content of ``report``."""
    histories = [entry.history for entry in report.entries]
    left_out = f"Reduced to keep this file small: {'; '.join(report.left_out)}. " if report.left_out else ""
    return Content(
        title=report.title,
        overview=_overview(report),
        runs=[_run(entry.label, entry.history, entry.series, entry.findings[0]) for entry in report.entries],
        remarks=_remarks(report),
        epochs=report.epochs,
        matrix=matrix(report),
        reals=_reals(report),
        charts=curves.charts(histories),
        settings=_settings(report),
        table=run_table(report),
        footer=f"{left_out}Made by ganctl {__version__}.",
    )


def progress(h: History) -> list[str]:
    """Return the step, the epoch and, if known, the training time and speed of a run, as text."""
    rate = h.images_per_second
    return [
        f"step {h.step:,}" + (f" of {h.total:,}" if h.total and h.total != h.step else ""),
        f"epoch {h.epoch:.4g}",
        *([clock(h.seconds)] if h.seconds else []),
        *([f"{rate:,.0f} images/s"] if rate else []),
    ]


def caption(frame: Frame) -> str:
    """Return the epoch and step of a sample grid as text."""
    epoch = f"{epoch_title(frame.epoch)} · " if frame.epoch or not frame.step else ""
    return f"{epoch}step {frame.step:,}"


def epoch_title(epoch: float) -> str:
    return f"epoch {round(epoch, 2):g}"


def over_time(content: Content, count: int) -> list[tuple[float, list[int | None]]]:
    """Choose at most ``count`` epochs.

    Returns:
        Pairs of an epoch and, for each run, the index of its image, or None if the run has no image at that epoch.
    """
    after_start = [i for i, epoch in enumerate(content.epochs) if epoch > 0] or list(
        range(len(content.epochs))
    )
    found = []
    for i in map(int, subsample(after_start, count)):
        epoch = content.epochs[i]
        row: list[int | None] = []
        for run in content.runs:
            index = run.series.positions[i] if run.series.positions else -1
            row.append(None if index < 0 or epoch > run.epoch + 0.5 else index)
        found.append((epoch, row))
    return found


def matrix(report: Report) -> Matrix:
    """Arrange the runs by the report's axes, or in one row if too many cells would be empty."""
    labels = [entry.label for entry in report.entries]
    one_row = Matrix([""], labels, {("", label): [i] for i, label in enumerate(labels)})
    row_axes, column_axes = report.axes[:1], report.axes[1:]
    if not column_axes:
        return one_row
    if len(report.axes) == 2 and len(set(row_axes[0].value_ids())) < len(set(column_axes[0].value_ids())):
        row_axes, column_axes = column_axes, row_axes  # a page is taller than it is wide
    names = [(settings.label(row_axes, i), settings.label(column_axes, i)) for i in range(len(labels))]
    rows = list(dict.fromkeys(row for row, _ in names))
    columns = list(dict.fromkeys(column for _, column in names))
    cells: dict[tuple[str, str], list[int]] = {}
    for i, name in enumerate(names):
        cells.setdefault(name, []).append(i)
    if len(cells) < MIN_FILLED * len(rows) * len(columns):
        return one_row
    return Matrix(rows, columns, cells)


def _overview(report: Report) -> str:
    """Return the line below the title, which lists the properties that all runs share."""
    n = len(report.entries)
    parts = [f"{n} runs" if n > 1 else "1 run"]
    common = {s.name: s.values[0] for s in report.settings if len(set(s.value_ids())) == 1}
    if common.get("model") is not None:
        parts.append(f"model {format_value(common['model'])}")
    if common.get("data") is not None:
        sizes = {(e.history.status.images, e.history.status.image) for e in report.entries}
        images, shape = sizes.pop() if len(sizes) == 1 else (None, None)
        data = format_value(common["data"])
        if images is not None and shape is not None:
            channels, height, width = shape
            data += f", {images:,} images {height}×{width}×{channels}"
        parts.append(data)
    seconds = sum(e.history.seconds for e in report.entries)
    if seconds:
        parts.append(f"trained for {clock(seconds)}")
    return " · ".join(parts)


def _run(label: str, history: History, series: SampleSeries, worst: Finding) -> RunContent:
    shown_by_state = history.state != "finished"
    return RunContent(
        label=label,
        state=history.state,
        series=series,
        captions=[caption(frame) for frame in series.frames],
        epoch=history.epoch,
        problem=worst.text if worst.level == "bad" and not shown_by_state else "",
    )


def _remarks(report: Report) -> list[Remark]:
    """Return all findings, with the worst first. Runs with findings of the same kind share one remark."""
    kinds: dict[tuple[Level, str], dict[int, Finding]] = {}
    for i, entry in enumerate(report.entries):
        for finding in entry.findings:
            kinds.setdefault((finding.level, finding.kind or finding.text), {})[i] = finding
    remarks = [_remark(level, kind, found) for (level, kind), found in kinds.items()]
    return sorted(remarks, key=lambda remark: LEVELS.index(remark.level))


def _remark(level: Level, kind: str, found: dict[int, Finding]) -> Remark:
    texts, advice = {f.text for f in found.values()}, {f.advice for f in found.values()}
    sentence = texts.pop() if len(texts) == 1 else f"{kind}."
    return Remark(level, " ".join([sentence, *(advice if len(advice) == 1 else ())]).strip(), tuple(found))


def _reals(report: Report) -> list[Reals]:
    first: dict[bytes, int] = {}
    for i, entry in enumerate(report.entries):
        if entry.series.real is not None:
            first.setdefault(entry.series.real, i)
    return [
        Reals(image, format_value(settings.flatten(report.entries[i].history.config).get("data")), i)
        for image, i in first.items()
    ]


def _settings(report: Report) -> ReportSettings:
    different = settings.differing(report.settings)
    axes = {axis.name for axis in report.axes}
    rows = [(s, _setting_row(s, s.name in axes)) for s in different]
    return ReportSettings(
        different=[row for s, row in rows if None not in s.values],
        # Other components do not have these options.
        partial=[row for s, row in rows if None in s.values],
        same=[(s.title, format_value(s.values[0])) for s in report.settings if s not in different],
    )


def _setting_row(setting: Setting, is_axis: bool) -> SettingRow:
    ids = setting.value_ids()
    (common, most), *others = Counter(ids).most_common()
    tie = bool(others) and others[0][1] == most  # no value is more common than the others
    unusual = [
        value is not None and (tie or i != common) for value, i in zip(setting.values, ids, strict=True)
    ]
    return SettingRow(setting.title, is_axis, [format_value(value) for value in setting.values], unusual)
