"""What a run folder tells about itself: how far it came, how it ended, its curves and pictures. Free of torch."""

from __future__ import annotations

import io
import math
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ganctl.errors import USAGE, GanctlError
from ganctl.runs.folder import Run
from ganctl.system.jsonl import read_lines

if TYPE_CHECKING:
    from PIL.Image import Image

#: How a run stands. ``stopped`` by a signal and saved; ``killed``: its log breaks off and nobody holds the folder.
State = Literal["finished", "running", "stopped", "diverged", "failed", "killed", "waiting"]


@dataclass(frozen=True)
class Frame:
    """A sample picture after ``step``, at ``epoch``, which is whole where an epoch ended in that step."""

    step: int
    epoch: float
    path: Path
    drawn: bytes | None = None  # the file's content where there is no file: drawn from a checkpoint

    def open(self) -> Image:
        """The picture, decoded.

        Raises:
            OSError: it is damaged.
        """
        from PIL import Image

        image = Image.open(self.path if self.drawn is None else io.BytesIO(self.drawn))
        image.load()
        return image if image.mode in ("L", "RGB") else image.convert("RGB")


@dataclass(frozen=True)
class History:
    """A run as it is on disk at this moment."""

    name: str
    path: Path
    config: dict[str, Any]
    records: list[dict[str, Any]]
    timing: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    frames: list[Frame]
    real: Path | None
    state: State
    note: str  # the error that it ended with, if it did
    total: int | None  # steps that it is to have; None: not known yet
    facts: dict[str, str] = field(
        default_factory=dict
    )  # what its log's first line tells: data, parameters, device

    @property
    def step(self) -> int:
        """The last step that is known of."""
        return max([r["step"] for r in self.records[-1:]] + [frame.step for frame in self.frames[-1:]] + [0])

    @property
    def epoch(self) -> float:
        return self.epoch_of(self.step)

    @property
    def seconds(self) -> float:
        """Of training so far."""
        return float(self.timing[-1]["seconds"]) if self.timing else 0.0

    @property
    def images_per_second(self) -> float | None:
        """The median over the run, which a pause or a busy minute does not move."""
        speeds = sorted(t["images_per_second"] for t in self.timing)
        return float(speeds[len(speeds) // 2]) if speeds else None

    def epoch_of(self, step: int) -> float:
        """How often D had seen the data after ``step``."""
        return step * _epochs_per_step(self.records)

    def column(self, name: str) -> list[float]:
        """One column of ``metrics.jsonl``, nan where it is missing."""
        return [number(r.get(name)) for r in self.records]


def read(path: Path) -> History:
    """The run folder at ``path``, whatever state it is in.

    Raises:
        GanctlError: there is none.
    """
    run = Run.open(path)
    try:
        config = run.config
        note = ""
    except GanctlError as error:  # a damaged file must not hide the other runs of a report
        config, note = {}, error.message
    records = [r for r in run.metrics if isinstance(r.get("step"), int)]
    text = run.log_file.read_text(encoding="utf-8", errors="replace") if run.log_file.exists() else ""
    state, ending = _ending(text)
    if state == "running" and not in_use(run):
        state, ending = ("killed", "") if records or text else ("waiting", "")
    steps = re.findall(r"to step (\d+)", text)
    total = int(steps[-1]) if steps else _total(config, records)
    frames = sorted((f for p in run.samples if (f := _frame(p, records))), key=lambda f: f.step)
    return History(
        name=run.name,
        path=run.path,
        config=config,
        records=records,
        timing=[
            t for t in read_lines(run.timing_file) if {"step", "seconds", "images_per_second"} <= t.keys()
        ],
        evaluations=[e for e in run.evaluations if isinstance(e.get("step"), int)],
        frames=frames,
        real=run.real_file if run.real_file.exists() else None,
        state=state,
        note=ending or note,
        total=total,
        facts=_facts(text),
    )


def find(path: Path) -> list[Path]:
    """The run folders that ``path`` means: itself, or those in it, two levels deep, in the order of their names.

    Raises:
        GanctlError: there are none.
    """
    if (path / "config.toml").is_file():
        return [path]
    found = [p.parent for pattern in ("*/config.toml", "*/*/config.toml") for p in path.glob(pattern)]
    if not found:
        what = "has no run folders in it" if path.is_dir() else "does not exist"
        raise GanctlError(f"{path} {what}.", "Give a run folder, or a folder of runs.", status=USAGE)
    return sorted(found, key=_natural)


def newest(runs: Path) -> Path:
    """The run in the folder ``runs`` that was written to last.

    Raises:
        GanctlError: there is none.
    """
    return max(find(runs), key=lambda path: max(p.stat().st_mtime for p in path.iterdir()))


def in_use(run: Run) -> bool:
    """Whether a process holds the lock of ``run``. Asking takes it for a moment, and leaves no file."""
    lock = run.path / ".lock"
    try:
        import fcntl
    except ImportError:  # Windows: a locked file cannot be read
        try:
            lock.read_bytes()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False
    try:
        file = os.open(lock, os.O_RDONLY)
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
    """``value`` if it is a number, else nan."""
    return float(value) if isinstance(value, (int, float)) else math.nan


def _ending(log: str) -> tuple[State, str]:
    """How the last session in ``log`` ended, and the error's words if it was one."""
    session = re.split(r"^\S+ \S+  ganctl \S+, torch ", log, flags=re.MULTILINE)[-1]
    if re.search(r"  Done: \d+ steps|  .* is finished at step \d+", session):
        return "finished", ""
    if "  Stopped and saved at step" in session or "ganctl.system.signals.Interrupted" in session:
        return "stopped", ""
    errors = re.findall(r"^ganctl\.errors\.GanctlError: (.*)$", session, re.MULTILINE)
    if errors:
        return ("diverged" if errors[-1].startswith("The training diverged") else "failed"), errors[-1]
    if "Traceback (most recent call last):" in session:
        return "failed", session.rstrip().rsplit("\n", 1)[-1].strip()
    return "running", ""


def _facts(log: str) -> dict[str, str]:
    line = re.findall(
        r"on ([\d,]+) images (\S+) of (.+); G has ([\d,]+) parameters, D ([\d,]+); (\S+), (\w+); ", log
    )
    if not line:
        return {}
    names = ("images", "shape", "data", "G parameters", "D parameters", "device", "precision")
    return dict(zip(names, line[-1], strict=True))


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
    match = re.fullmatch(r"epoch-(\d+)-step-(\d+)\.png", path.name)
    if not match:
        return None
    named, step, rate = int(match[1]), int(match[2]), _epochs_per_step(records)
    # The name has the epoch that the step belongs to; it is whole if that epoch ended in this very step.
    epoch = step * rate
    return Frame(step, float(named) if not rate or abs(epoch - named) <= rate else round(epoch, 3), path)


def _natural(path: Path) -> list[Any]:
    """``lr-10`` after ``lr-9``."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", str(path))]
