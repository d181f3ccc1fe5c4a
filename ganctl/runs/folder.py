"""The run folder: the files of one training run, the folder's lock, and its creation."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ganctl.errors import USAGE, GanctlError, InUseError, status_of
from ganctl.runs import status as run_status
from ganctl.runs.resume_command import resume_command
from ganctl.runs.status import Status
from ganctl.system import toml
from ganctl.system.jsonl import read_lines
from ganctl.system.numbered_folder import create_numbered_folder

#: Names of files that training writes. Other files in the same folders belong to the user and are never changed.
CHECKPOINT_NAME = re.compile(r"step-([0-9]{8,})\.pt")
SAMPLES_NAME = re.compile(r"epoch-([0-9]{4,})-step-([0-9]{8,})\.png")
#: Names that create_numbered_folder keeps unchanged.
RUN_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_])?")


class Run:
    """A run folder.

    ``config.toml``: all resolved settings; ``status.json``: state of the run; ``losses.jsonl``: losses and outputs of D
    by step; ``timing.jsonl``: seconds and images per second by step; ``metrics.jsonl``: metrics by epoch, if any;
    ``samples/``: samples from the same latents over time; ``real.png``; ``checkpoints/``; ``tensorboard/``;
    ``curves.png``; ``log.txt``.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.toml"
        self.losses_file = self.path / "losses.jsonl"
        self.timing_file = self.path / "timing.jsonl"
        self.metrics_file = self.path / "metrics.jsonl"
        self.curves_file = self.path / "curves.png"
        self.real_file = self.path / "real.png"
        self.status_file = self.path / "status.json"
        self.log_file = self.path / "log.txt"
        self.samples_dir = self.path / "samples"
        self.checkpoints_dir = self.path / "checkpoints"
        self.tensorboard_dir = self.path / "tensorboard"

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def _repr_html_(self) -> str:
        """Show the newest samples, the curves and the progress in a notebook."""
        from ganctl.reports.notebook import card
        from ganctl.runs import read_run

        return card(read_run.read(self.path))

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def config(self) -> dict[str, Any]:
        """Settings in ``config.toml``, as plain values."""
        return toml.read(self.config_file)

    @property
    def losses(self) -> list[dict[str, Any]]:
        """Lines of ``losses.jsonl``: ``step``, ``epoch``, ``d_loss``, ``g_loss``, ``D(x)``, ``D(G(z))``, …"""
        return list(read_lines(self.losses_file))

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """Lines of ``metrics.jsonl``: ``step``, ``epoch`` and the metrics. Empty without metrics."""
        return list(read_lines(self.metrics_file))

    @property
    def checkpoints(self) -> list[Path]:
        """Checkpoints, oldest first."""
        return files_by_step(self.checkpoints_dir, CHECKPOINT_NAME)

    @property
    def samples(self) -> list[Path]:
        """Sample grids, oldest first."""
        return files_by_step(self.samples_dir, SAMPLES_NAME)

    def checkpoint_file(self, step: int) -> Path:
        return self.checkpoints_dir / f"step-{step:08d}.pt"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock this folder against use by other processes. The kernel releases the lock when the process ends.

        Raises:
            InUseError: another process holds the lock.
        """
        self._refuse_links()
        try:
            lock = FileLock(self.path / ".lock")
            lock.acquire(timeout=0)
        except Timeout:
            raise InUseError(
                f"Another process is training in {self.path}.",
                "Wait for the process to finish or stop it, or start a new run without --out and --resume.",
            ) from None
        except OSError as error:
            raise _unwritable(self.path, error) from error
        try:
            yield
        finally:
            lock.release()

    def _refuse_links(self) -> None:
        """Raise a GanctlError if an entry in this folder is a link to a path outside the folder.

        Otherwise, training and trackers would write and delete files outside the folder.
        """
        here = os.path.realpath(self.path)
        for entry in self.path.iterdir() if self.path.is_dir() else ():
            target = os.path.realpath(entry)
            if entry.is_symlink() and os.path.commonpath([here, target]) != here:
                raise GanctlError(
                    f"{entry} is a link to {target}, which is outside the run folder.",
                    "Remove the link, or replace it with a copy of the files. The run folder itself can be a link.",
                    status=USAGE,
                )

    @classmethod
    def open(cls, path: Path | str) -> Run:
        """Return the run folder at ``path``.

        Raises:
            GanctlError: there is no run folder, or an earlier version of ganctl created it.
        """
        run = cls(path)
        if not run.config_file.is_file():
            what = "is not a run folder: it has no config.toml" if run.path.is_dir() else "does not exist"
            raise GanctlError(f"{path} {what}.", "Run folders are in runs/ by default.", status=USAGE)
        run_status.read(run.status_file)  # raises an error for a folder created by an earlier version
        return run

    @classmethod
    def create(cls, path: Path) -> Run:
        """Create a run folder at ``path``.

        Raises:
            GanctlError: the folder exists and is not empty, or cannot be created.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                path.mkdir()
            if any(path.iterdir()):
                raise _taken(path)
        except OSError as error:
            raise _unwritable(path, error) from error
        return cls(path)._with_folders()

    @classmethod
    def create_numbered(cls, runs: Path, name: str) -> Run:
        """Create ``runs/NNNNN-name`` with the next number. Concurrent processes get different numbers."""
        try:
            path = create_numbered_folder(runs, name, default="run")
        except OSError as error:
            raise _unwritable(runs, error) from error
        return cls(path)._with_folders()

    def _with_folders(self) -> Run:
        try:
            self.samples_dir.mkdir()
            self.checkpoints_dir.mkdir()
            run_status.write(self.status_file, Status("waiting"))
        except FileExistsError:  # another process created the folder at the same time
            raise _taken(self.path) from None
        except OSError as error:
            raise _unwritable(self.path, error) from error
        except GanctlError:  # the disk is full: do not leave an incomplete run folder
            shutil.rmtree(self.path, ignore_errors=True)
            raise
        return self


def check_run_name(name: str | None) -> None:
    """Check that ``name``, if given, can be used unchanged after the number of a run folder.

    Raises:
        GanctlError: ``name`` is empty, too long, or contains characters other than letters, digits, ``.``, ``_`` and
            ``-``.
    """
    if name is not None and not RUN_NAME.fullmatch(name):
        raise GanctlError(
            f"--name '{name}' cannot be used in a folder name.",
            "Give 1 to 100 letters, digits, '.', '_' or '-', starting with a letter or digit: --name first-try",
            status=USAGE,
        )


def files_by_step(folder: Path, name: re.Pattern[str]) -> list[Path]:
    """Return the files in ``folder`` whose full names match, sorted by the step in the last group of ``name``.

    The result is empty if the folder does not exist. Broken links are ignored.
    """
    try:
        paths = list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):  # another process may be removing the folder
        return []
    found = [
        (int(match[match.lastindex or 1]), path)
        for path in paths
        if (match := name.fullmatch(path.name)) and path.is_file()
    ]
    return [path for _, path in sorted(found)]


def _taken(path: Path) -> GanctlError:
    hint = "Choose another folder."
    if (path / "config.toml").is_file():
        hint = f"Choose another folder, or resume this run: {resume_command(path)}"
    return GanctlError(f"{path} already exists and is not empty.", hint, status=USAGE)


def _unwritable(path: Path, error: OSError) -> GanctlError:
    return GanctlError(
        f"Cannot create a run folder at {path}: {error.strerror or error}.",
        "Choose another parent directory with --runs DIR.",
        status=status_of(error),
    )
