"""A report on several runs: samples, curves and settings side by side in one file.

:mod:`~ganctl.reports.settings` finds the settings that differ, :mod:`~ganctl.reports.samples_over_epochs` collects
samples, :mod:`~ganctl.reports.training_problems` detects problems, and :mod:`~ganctl.reports.content` gathers the
results as plain data. :mod:`~ganctl.reports.page`, :mod:`~ganctl.reports.markdown` and :mod:`~ganctl.reports.figures`
render this data. Torch is needed only for checkpoint files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ganctl.errors import USAGE, GanctlError
from ganctl.image_files import open_image
from ganctl.reports import samples_over_epochs, settings, training_problems
from ganctl.reports.samples_over_epochs import SampleSeries
from ganctl.reports.settings import Setting
from ganctl.reports.training_problems import Finding
from ganctl.runs import read_run
from ganctl.runs.folder import Run
from ganctl.runs.read_run import History
from ganctl.sweeps import folder
from ganctl.sweeps.folder import Sweep
from ganctl.system.files import require_parent, write_atomically
from ganctl.system.pasteable_commands import quote

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".html", ".md")


@dataclass(frozen=True)
class Entry:
    """A run in a report. ``label`` distinguishes the run from the report's other runs."""

    label: str
    history: History
    series: SampleSeries
    findings: list[Finding]


@dataclass(frozen=True, repr=False)
class Report:
    """A report that shows several runs side by side. A notebook displays the report as its HTML page.

    Attributes:
        entries: the runs, in order.
        settings: all settings of the runs.
        axes: the settings that distinguish the runs. Each value of the first setting is a row.
        epochs: the epochs whose samples are shown.
        chosen_epochs: the epochs that the caller chose; empty if all epochs are shown.
        left_out: sentences about epochs and images that are not shown.
    """

    title: str
    entries: list[Entry]
    settings: list[Setting]
    axes: list[Setting]
    epochs: list[float]
    chosen_epochs: list[float]
    left_out: list[str]

    def __repr__(self) -> str:
        return f"<Report {self.title!r}: {', '.join(entry.label for entry in self.entries)}>"

    def html(self) -> str:
        """Return the report as a self-contained HTML page."""
        from ganctl.reports import page

        return page.render(self)

    def image(self, *, dpi: int = 130) -> Image:
        """Return the samples of all runs as one PIL image with rows and columns. Real images are at the end.

        The image shows the samples of the chosen epochs, or the newest samples if no epochs were chosen.

        Raises:
            GanctlError: there are no samples yet.
        """
        import io

        from ganctl.rendering.figure_style import encode
        from ganctl.reports.figure_of_samples import draw_samples
        from ganctl.reports.figures import WIDTHS

        if not any(entry.series.images for entry in self.entries):
            raise GanctlError(
                "There are no samples yet.", "Start training first. Samples are saved before the first step."
            )
        return open_image(io.BytesIO(encode(draw_samples(self, WIDTHS[2]), "png", dpi)))

    def write(self, path: Path | str, *, comment: str = "") -> list[Path]:
        """Write the report to ``path``: one ``.html`` file, or ``.md`` with a folder of images next to it.

        Args:
            comment: text that the file contains but does not display.

        Returns:
            All files that were written.

        Raises:
            GanctlError: ``path`` has a different suffix or cannot be written.
        """
        path = Path(path)
        check_suffix(path)
        if path.suffix == ".md":
            from ganctl.reports.markdown import write

            return write(self, path, comment=comment)
        end = f"<!-- {comment} -->\n" if comment else ""
        write_atomically(path, (self.html() + end).encode())
        return [path]

    def _repr_html_(self) -> str:
        from ganctl.reports import page

        return page.render_iframe(self)


def check_suffix(path: Path) -> None:
    """Raise a GanctlError if no report can be written to ``path``."""
    if path.suffix not in SUFFIXES:
        raise GanctlError(
            f"--out {path}: the file name of a report must end in .html or .md.",
            f"Try --out {quote(path.with_suffix('.html'))}",
            status=USAGE,
        )
    require_parent(path)


def report(
    *runs: Path | str | Run | Sweep,
    title: str | None = None,
    epochs: Sequence[float] = (),
    megabytes: float = 8.0,
    plugins: Sequence[Path | str] = (),
) -> Report:
    """Return a report of ``runs``, to display in a notebook or to write to a file.

    ::

        ganctl.report("runs/00001-wgan-mnist", "runs/00002-wgan-gp-mnist").write("report.html")

    Args:
        *runs: run folders, folders of runs, sweep folders and checkpoint files, or Run and Sweep objects.
        title: heading of the report. The default lists the settings that differ.
        epochs: epochs whose samples are shown. By default, all epochs, or as many as fit.
        megabytes: approximate limit on the total size of all samples.
        plugins: plugin files, needed if the generator of a checkpoint is defined in one of them.

    Raises:
        GanctlError: ``runs`` is empty, or contains something other than runs, sweeps and checkpoints.
    """
    if not runs:
        raise GanctlError(
            "There are no runs to report on.", "Give run folders or a sweep folder.", status=USAGE
        )
    found: list[History] = []
    varied: list[str] = []
    for path in [run.path if isinstance(run, (Run, Sweep)) else Path(run) for run in runs]:
        if path.is_file():
            from ganctl.reports import checkpoint_history

            found.append(checkpoint_history.read(path, plugins))
        elif folder.is_sweep(path):
            sweep = folder.read(path)
            found += [_read_sweep_run(entry) for entry in sweep]
            varied += [name for name in sweep.varying if name not in varied]
        else:
            found += [read_run.read(run) for run in read_run.find(path)]
    found = list({h.path.resolve(): h for h in found}.values())  # include each run only once
    collected = settings.collect([h.config for h in found])
    axes = settings.choose_axes(settings.differing(collected), varied)
    labels = settings.labels(axes, [h.name for h in found])
    timeline = samples_over_epochs.collect(found, epochs=epochs, megabytes=megabytes)
    entries = [
        Entry(label, h, series, training_problems.detect(h, series))
        for label, h, series in zip(labels, found, timeline.series, strict=True)
    ]
    if title is None:
        title = _title(found, axes)
    return Report(title, entries, collected, axes, timeline.epochs, sorted(epochs), timeline.left_out)


def _title(found: Sequence[History], axes: Sequence[Setting]) -> str:
    if len(found) == 1:
        return found[0].name
    if len(axes) == 1 and len(set(axes[0].value_ids())) <= 5:
        values = list(dict.fromkeys(map(settings.format_value, axes[0].values)))
        name = "" if axes[0].name in settings.SELF_EXPLANATORY else f"{axes[0].title} "
        return f"{name}{', '.join(values[:-1])} and {values[-1]}"
    if axes:
        return " × ".join(axis.title for axis in axes)
    return f"{len(found)} runs"


def _read_sweep_run(entry: folder.Entry) -> History:
    """Read a run of a sweep. The sweep may have recorded a state that the run could not record."""
    h = read_run.read(entry.run.path)
    return replace(h, total=h.total or entry.steps, state=entry.state, note=entry.reason or h.note)
