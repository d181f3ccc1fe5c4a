"""The sweep folder, and what it says about its runs. Read without torch, and without any lock.

``sweep.toml`` what was asked; ``runs.json`` the runs in their order; a run folder each, from the beginning, so that a
run which nobody has begun is one that was stopped before its first checkpoint; ``queue/`` who works on what, and how
each run ended.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from ganctl.errors import USAGE, GanctlError
from ganctl.runs.folder import Run
from ganctl.system import toml

State = Literal["waiting", "running", "stopped", "done", "failed"]

SECONDS_BETWEEN_BEATS = 10.0  # a worker says that it is alive
SECONDS_UNTIL_GONE = 45.0  # without a beat, on another machine


@dataclass(frozen=True)
class Entry:
    """One run of a sweep.

    Attributes:
        name: of its folder, made of what differs, as ``lr=1e-4,batch-size=128``.
        values: the settings in which this run differs from others, as text, by name: those of
            :attr:`Sweep.varying`, in that order. Names are as in ``config.toml``: ``lr``, ``batch_size``,
            ``generator.width``, ``seed``.
        run: its folder, a run folder like any other.
        steps: how many it has to take.
        images_per_step: real images that D sees in each.
        queue: the folder ``queue`` of the sweep.
    """

    name: str
    values: dict[str, str]
    run: Run
    steps: int
    images_per_step: int
    queue: Path

    @property
    def lock_file(self) -> Path:
        return self.queue / f"{self.name}.lock"

    @property
    def worker_file(self) -> Path:
        return self.queue / f"{self.name}.worker"

    @property
    def end_file(self) -> Path:
        return self.queue / f"{self.name}.end"

    @property
    def deaths_file(self) -> Path:
        return self.queue / f"{self.name}.deaths"

    @property
    def end(self) -> dict[str, Any] | None:
        """How it ended: ``{"state": "done"}``, or ``"failed"`` with ``message``, ``hint`` and ``status``; or None."""
        return read_json(self.end_file)

    @property
    def worker(self) -> dict[str, Any] | None:
        """Who works on it: ``machine``, ``host``, ``pid``, …; or None. It may have died since."""
        return read_json(self.worker_file)

    @property
    def state(self) -> State:
        """``waiting``: nobody began it; ``running``; ``stopped``: begun, and nobody is at it; ``done``; ``failed``."""
        end = self.end
        if end is not None:
            return "failed" if end.get("state") == "failed" else "done"
        worker = self.worker
        if worker is not None and _is_alive(worker, self.worker_file):
            return "running"
        return "stopped" if self.run.samples else "waiting"

    @property
    def reason(self) -> str:
        """Why it failed, or nothing."""
        return str((self.end or {}).get("message", ""))

    @property
    def last(self) -> dict[str, Any]:
        """The last line of ``losses.jsonl``, with those of ``timing.jsonl`` for the same step; empty before one."""
        return {**last_record(self.run.timing_file), **last_record(self.run.losses_file)}


@dataclass(frozen=True)
class Sweep:
    """A sweep folder.

    Attributes:
        path: the folder.
        asked: ``sweep.toml``: the settings of all runs, and in the tables ``grid``, ``zip`` and ``range`` those that
            vary.
        varying: the settings that vary, by name, each with its different values as text, in the order asked for.
        entries: the runs in their order.
        threads: of the processor, for each run.
    """

    path: Path
    asked: dict[str, Any]
    varying: dict[str, list[str]]
    entries: list[Entry]
    threads: int

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def runs(self) -> list[Run]:
        """The runs in their order."""
        return [entry.run for entry in self.entries]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def is_sweep(path: Path | str) -> bool:
    """Whether ``path`` is a sweep folder."""
    return (Path(path) / "runs.json").is_file()


def read(path: Path | str) -> Sweep:
    """The sweep folder at ``path``. What changes while it runs, such as ``entry.state``, is read when asked for.

    Raises:
        GanctlError: there is none, or its files are damaged.
    """
    path = Path(path)
    if not is_sweep(path):
        what = "is not a sweep folder: it has no runs.json" if path.is_dir() else "does not exist"
        raise GanctlError(f"{path} {what}.", "Sweeps lie in the folder sweeps/.", status=USAGE)
    try:
        index = json.loads((path / "runs.json").read_text(encoding="utf-8"))
        entries = [
            Entry(
                name=each["name"],
                values=each["values"],
                run=Run(path / each["name"]),
                steps=each["steps"],
                images_per_step=each["images_per_step"],
                queue=path / "queue",
            )
            for each in index["runs"]
        ]
        varying: dict[str, list[str]] = index["varying"]
        threads: int = index["threads"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GanctlError(
            f"{path / 'runs.json'} cannot be read: {error}.",
            "It lists the runs of the sweep; the runs themselves are folders beside it.",
        ) from error
    return Sweep(path, toml.read(path / "sweep.toml"), varying, entries, threads)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in ``path``; None if there is no such file, or none that is whole."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def last_record(path: Path) -> dict[str, Any]:
    """The last whole line of a file of JSON lines, however long the file; empty without one."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 8192))
            lines = file.read().splitlines(keepends=True)
    except OSError:
        return {}
    for line in reversed(lines):
        if line.endswith(b"\n"):
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                return value
    return {}


@cache
def this_machine() -> str:
    """What two processes share exactly if one kernel keeps the locks of both: the boot, else the machine's name."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return platform.node()


def _is_alive(worker: dict[str, Any], file: Path) -> bool:
    if worker.get("machine") == this_machine() and os.name == "posix":
        try:
            os.kill(int(worker["pid"]), 0)
        except (ProcessLookupError, KeyError, ValueError, TypeError):
            return False
        except OSError:  # another user's
            return True
        return True
    try:
        return time.time() - file.stat().st_mtime < SECONDS_UNTIL_GONE
    except OSError:
        return False
