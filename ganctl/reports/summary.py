"""Runs side by side: pictures, curves and settings in one file to share.

:mod:`~ganctl.reports.settings` in what they differ; :mod:`~ganctl.reports.frames` their pictures over the epochs;
:mod:`~ganctl.rendering.grid_images` how many different ones; :mod:`~ganctl.reports.findings` what stands out;
:mod:`~ganctl.reports.page`, :mod:`~ganctl.reports.markdown` and :mod:`~ganctl.reports.figures` what is written.
Only the pictures of lone checkpoints need torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ganctl.errors import USAGE, GanctlError
from ganctl.reports import findings, settings
from ganctl.reports import frames as film
from ganctl.reports.findings import Finding
from ganctl.reports.frames import Film
from ganctl.reports.settings import Setting
from ganctl.runs import history
from ganctl.runs.folder import Run
from ganctl.runs.history import History
from ganctl.sweeps import folder
from ganctl.sweeps.folder import Sweep
from ganctl.system.files import require_parent, write_atomically

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".html", ".md")


@dataclass(frozen=True)
class Entry:
    """A run in a report: ``label`` is what tells it from the others."""

    label: str
    history: History
    film: Film
    findings: list[Finding]


@dataclass(frozen=True, repr=False)
class Report:
    """Runs side by side. In a notebook it shows itself.

    Attributes:
        entries: the runs in their order.
        settings: all that they have. ``axes``: those that tell the runs apart, rows first.
        stops: the epochs that there are pictures of. ``left_out``: what is not shown, in words.
    """

    title: str
    entries: list[Entry]
    settings: list[Setting]
    axes: list[Setting]
    stops: list[float]
    left_out: list[str]

    def __repr__(self) -> str:
        return f"<Report {self.title!r}: {', '.join(entry.label for entry in self.entries)}>"

    def html(self) -> str:
        """One page that needs nothing else."""
        from ganctl.reports import page

        return page.render(self)

    def image(self, *, dpi: int = 130) -> Image:
        """The newest samples in rows and columns, reals at the end, as one PIL image.

        Raises:
            GanctlError: there are no pictures yet.
        """
        import io

        from PIL import Image

        from ganctl.reports import figures

        if not any(entry.film.images for entry in self.entries):
            raise GanctlError("There are no pictures yet.", "They come with the training.")
        return Image.open(io.BytesIO(figures.save(figures.draw_pictures(self), "png", dpi)))

    def write(self, path: Path | str) -> list[Path]:
        """Write ``path``: ``.html``, one file; or ``.md`` with its pictures in a folder beside it.

        Returns:
            All files that were written.

        Raises:
            GanctlError: another suffix, or ``path`` cannot be written.
        """

        path = Path(path)
        check_suffix(path)
        if path.suffix == ".md":
            from ganctl.reports.markdown import write

            return write(self, path)
        write_atomically(path, self.html().encode())
        return [path]

    def _repr_html_(self) -> str:
        from ganctl.reports import page

        return page.in_a_notebook(self)


def check_suffix(path: Path) -> None:
    """Raise a GanctlError if no report can be written to ``path``."""
    if path.suffix not in SUFFIXES:
        raise GanctlError(
            f"--out {path}: a report is .html or .md.", f"Try --out {path.with_suffix('.html')}", status=USAGE
        )
    require_parent(path)


def report(
    *runs: Path | str | Run | Sweep,
    title: str | None = None,
    epochs: Sequence[float] = (),
    megabytes: float = 8.0,
    plugins: Sequence[Path | str] = (),
) -> Report:
    """The report of ``runs``: show it in a notebook, or ``write`` it.

    ::

        ganctl.report("runs/00001-wgan-mnist", "runs/00002-wgan-gp-mnist").write("report.html")

    Args:
        *runs: run folders, folders of runs, sweep folders and checkpoint files; or a run or sweep itself.
        title: what stands above it; made of what differs unless given.
        epochs: those to show pictures of; all, or as many as there is room for, unless given.
        megabytes: about how large all pictures together may be.
        plugins: plugin files, if the generator of a checkpoint is in one.

    Raises:
        GanctlError: one of ``runs`` is none of these, or there are none.
    """
    if not runs:
        raise GanctlError("There is nothing to report on.", "Give run folders, or a sweep.", status=USAGE)
    found: list[History] = []
    first: list[str] = []
    for path in [run.path if isinstance(run, (Run, Sweep)) else Path(run) for run in runs]:
        if path.is_file():
            from ganctl.reports import checkpoint_history

            found.append(checkpoint_history.history_at(path, plugins))
        elif folder.is_sweep(path):
            sweep = folder.read(path)
            found += [_of_sweep(entry) for entry in sweep]
            first += [name for name in sweep.varying if name not in first]
        else:
            found += [history.read(run) for run in history.find(path)]
    found = list({h.path.resolve(): h for h in found}.values())  # one that was named twice, once
    every = settings.table([h.config for h in found])
    axes = settings.axes(settings.differing(every), first)
    labels = settings.labels(axes, [h.name for h in found])
    films = film.make(found, epochs=epochs, megabytes=megabytes)
    entries = [
        Entry(label, h, f, findings.of(h, f)) for label, h, f in zip(labels, found, films.films, strict=True)
    ]
    if title is None:
        title = _title(found, axes)
    return Report(title, entries, every, axes, films.stops, films.left_out)


def _title(found: Sequence[History], axes: Sequence[Setting]) -> str:
    if len(found) == 1:
        return found[0].name
    if len(axes) == 1 and len(set(axes[0].classes())) <= 5:
        values = [settings.show(v) for v in dict.fromkeys(map(_hashable, axes[0].values))]
        what = "" if axes[0].name in settings.NAMES else f"{axes[0].title} "
        return what + (", ".join(values[:-1]) + " and " + values[-1])
    if axes:
        names = [axis.title for axis in axes]
        return " × ".join(names)
    return f"{len(found)} runs"


def _hashable(value: object) -> object:
    return settings.show(value)


def _of_sweep(entry: folder.Entry) -> History:
    h = history.read(entry.run.path)
    return replace(h, total=h.total or entry.steps, state=entry.state, note=entry.reason or h.note)
