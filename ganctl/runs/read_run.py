"""Read the state, progress, losses and samples in a run folder. This module does not import torch."""

from __future__ import annotations

import io
import math
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganctl.errors import USAGE, GanctlError
from ganctl.image_files import read_image
from ganctl.runs import status as run_status
from ganctl.runs.folder import SAMPLES_NAME, Run
from ganctl.runs.status import State, Status
from ganctl.system.jsonl import read_lines

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Frame:
    """A sample grid drawn after ``step``. ``epoch`` is a whole number if an epoch ended in that step."""

    step: int
    epoch: float
    path: Path
    drawn: bytes | None = None  # PNG bytes, if the grid was drawn from a checkpoint and is not in a file

    def open(self) -> Image:
        """Return the decoded image.

        Raises:
            OSError: the file is damaged, has a different format, or has too many pixels.
        """
        return read_image(self.path if self.drawn is None else io.BytesIO(self.drawn))


@dataclass(frozen=True)
class History:
    """The contents of a run folder at the time of reading.

    Attributes:
        note: message of the error that ended the run, or ``""``.
        total: number of steps in the whole run, or None if not known yet.
    """

    name: str
    path: Path
    config: dict[str, Any]
    losses: list[dict[str, Any]]
    timing: list[dict[str, Any]]
    metrics: list[dict[str, Any]]
    frames: list[Frame]
    real: Path | None
    state: State
    note: str
    total: int | None
    status: Status

    @property
    def step(self) -> int:
        """Last step that was logged or sampled."""
        return max([r["step"] for r in self.losses[-1:]] + [frame.step for frame in self.frames[-1:]] + [0])

    @property
    def epoch(self) -> float:
        return self.epoch_of(self.step)

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        return float(self.timing[-1]["seconds"]) if self.timing else 0.0

    @property
    def share(self) -> float | None:
        """Completed fraction of the run's steps or of its time limit, whichever is larger, from 0 to 1."""
        minutes = self.status.minutes
        shares = [self.step / self.total] if self.total else []
        shares += [self.seconds / (60 * minutes)] if minutes else []
        return min(max(shares), 1.0) if shares else None

    @property
    def images_per_second(self) -> float | None:
        """Median speed over the run, which is not affected by short pauses."""
        speeds = sorted(t["images_per_second"] for t in self.timing)
        return float(speeds[len(speeds) // 2]) if speeds else None

    def epoch_of(self, step: int) -> float:
        """Number of times that D has seen the dataset after ``step``."""
        return step * _epochs_per_step(self.losses)

    def column(self, name: str) -> list[float]:
        """Return one column of ``losses.jsonl``, with nan for missing values."""
        return [number(r.get(name)) for r in self.losses]


def read(path: Path) -> History:
    """Read the run folder at ``path``, regardless of the run's state.

    Raises:
        GanctlError: there is no run folder, or an earlier version of ganctl created it.
    """
    run = Run.open(path)
    try:
        config = run.config
        note = ""
    except GanctlError as error:  # one damaged file must not hide other runs in a report
        config, note = {}, error.message
    status = run_status.read(run.status_file)
    state = status.state
    if state == "running" and not in_use(run):
        state = "killed"
    records = [r for r in run.losses if isinstance(r.get("step"), int)]
    total = status.total
    if total is None and status.minutes is None:
        total = _total(config, records)
    frames = sorted((f for p in run.samples if (f := _frame(p, records))), key=lambda f: f.step)
    return History(
        name=run.name,
        path=run.path,
        config=config,
        losses=records,
        timing=[
            t for t in read_lines(run.timing_file) if {"step", "seconds", "images_per_second"} <= t.keys()
        ],
        metrics=[e for e in run.metrics if isinstance(e.get("step"), int)],
        frames=frames,
        real=run.real_file if run.real_file.exists() else None,
        state=state,
        note=status.error.message if status.error else note,
        total=total,
        status=status,
    )


def find(path: Path) -> list[Path]:
    """Return ``path`` if it is a run folder, and otherwise the run folders up to two levels below, in natural order.

    Raises:
        GanctlError: there are none.
    """
    if (path / "config.toml").is_file():
        return [path]
    found = [p.parent for pattern in ("*/config.toml", "*/*/config.toml") for p in path.glob(pattern)]
    if not found:
        what = "contains no run folders" if path.is_dir() else "does not exist"
        raise GanctlError(f"{path} {what}.", "Give a run folder, or a folder of runs.", status=USAGE)
    return sorted(found, key=_natural)


def newest(runs: Path) -> Path:
    """Return the most recently modified run folder in ``runs``.

    Raises:
        GanctlError: there are none.
    """
    return max(find(runs), key=_last_modified)


def in_use(run: Run) -> bool:
    """Return whether a process holds the lock of ``run``."""
    return is_locked(run.path / ".lock")


def is_locked(lock: Path) -> bool:
    """Return whether a process holds the lock file ``lock``, without creating the file."""
    try:
        import fcntl
    except ImportError:  # on Windows, a locked file cannot be read
        try:
            lock.read_bytes()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False
    try:
        file = os.open(lock, os.O_RDONLY | os.O_NONBLOCK)  # do not block if the file is a pipe
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def number(value: Any) -> float:
    """Return ``value`` if it is a number, and otherwise nan."""
    return float(value) if isinstance(value, (int, float)) else math.nan


def _epochs_per_step(records: list[dict[str, Any]]) -> float:
    last = next((r for r in reversed(records) if r["step"] and r.get("epoch")), None)
    return float(last["epoch"]) / last["step"] if last else 0.0


def _total(config: dict[str, Any], records: list[dict[str, Any]]) -> int | None:
    if isinstance(config.get("steps"), int):
        return int(config["steps"])
    rate = _epochs_per_step(records)
    return (
        math.ceil(config["epochs"] / rate - 1e-6) if rate and isinstance(config.get("epochs"), int) else None
    )


def _frame(path: Path, records: list[dict[str, Any]]) -> Frame | None:
    match = SAMPLES_NAME.fullmatch(path.name)
    if not match:
        return None
    named, step, rate = int(match[1]), int(match[2]), _epochs_per_step(records)
    # The file name contains the epoch of the step. The epoch ended in this step if the two numbers agree.
    epoch = step * rate
    return Frame(step, float(named) if not rate or abs(epoch - named) <= rate else round(epoch, 3), path)


def _natural(path: Path) -> list[Any]:
    """Sort key that puts ``lr-10`` after ``lr-9``."""
    parts = re.split(r"([0-9]+)", str(path))
    return [(0, int(part), "") if i % 2 else (1, 0, part) for i, part in enumerate(parts)]


def _last_modified(folder: Path) -> float:
    times = [0.0]
    with suppress(OSError):  # another process may be removing the folder
        for path in folder.iterdir():
            with suppress(OSError):  # a broken link, or a temporary file that has been renamed
                times.append(path.stat().st_mtime)
    return max(times)
