"""Read a sweep folder and the states of its runs, without torch and without taking a lock.

``sweep.toml`` contains the settings of the sweep, and ``runs.json`` lists its runs in order. Each run has a run folder,
which is created with the sweep. The workers record in ``queue/`` which worker trains which run, and which runs ended.
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
from typing import Any

from ganctl.errors import USAGE, GanctlError
from ganctl.runs import status as run_status
from ganctl.runs.folder import Run
from ganctl.runs.read_run import in_use, is_locked
from ganctl.runs.status import State, Status
from ganctl.system import toml
from ganctl.system.pasteable_commands import ganctl_pattern

FAILURES: tuple[State, ...] = ("failed", "diverged")
ENDED: tuple[State, ...] = ("finished", *FAILURES)

HEARTBEAT_INTERVAL = 10.0  # seconds between two updates of a worker file
HEARTBEAT_TIMEOUT = 45.0  # seconds without an update after which a worker on another machine counts as dead


@dataclass(frozen=True)
class Entry:
    """One run of a sweep.

    Attributes:
        name: name of the run folder, composed of the settings that vary, for example ``lr=1e-4,batch-size=128``.
        values: values of the settings that vary, by name: numbers, Booleans, lists and text as in ``config.toml``, and
            None for ``none``. :attr:`Sweep.varying` has the same names in the same order. Names are written as in
            ``config.toml``: ``lr``, ``batch_size``, ``generator.width``, ``seed``.
        texts: the same values as text, as the user wrote them, for example ``1e-4``.
        run: the run folder.
        steps: total number of steps of the run; None if only the run's time is limited.
        minutes: maximum training time, in minutes; None if the time is not limited.
        images_per_step: number of real images that D sees in each step.
        queue: the sweep's ``queue`` folder.
    """

    name: str
    values: dict[str, Any]
    texts: dict[str, str]
    run: Run
    steps: int | None
    images_per_step: int
    queue: Path
    minutes: float | None = None

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
    def crashes_file(self) -> Path:
        return self.queue / f"{self.name}.crashes"

    @property
    def end(self) -> dict[str, Any] | None:
        """The record of how the run ended, or None if workers can still take the run.

        ``state`` is ``"finished"``, or ``"failed"`` with ``message``, ``hint`` and ``status``.
        """
        return read_json(self.end_file)

    @property
    def worker(self) -> dict[str, Any] | None:
        """The last worker that took the run (``machine``, ``host``, ``pid``, …), or None. The worker may have died."""
        return read_json(self.worker_file)

    @property
    def status(self) -> Status:
        """The run's ``status.json``. The state is ``waiting`` if the file cannot be read."""
        try:
            return run_status.read(self.run.status_file)
        except GanctlError:
            return Status("waiting")

    @property
    def state(self) -> State:
        """The state of the run, from its ``status.json`` and the queue.

        The queue records what ``status.json`` cannot contain: whether a worker is alive, whether the run's process
        crashed repeatedly or never started, and whether a failed run will be tried again.
        """
        status, end = self.status, self.end
        if end is not None:
            return status.state if status.state in ENDED else end.get("state", "finished")
        worker = self.worker
        if worker is not None and _is_alive(worker, self):
            return "running"
        if status.state == "running":
            return "running" if in_use(self.run) else "killed"
        if status.state in FAILURES:
            return "stopped" if status.step else "waiting"
        return status.state

    @property
    def reason(self) -> str:
        """The error message if the run failed, otherwise an empty string."""
        if self.state not in FAILURES:
            return ""
        error = self.status.error
        return error.message if error else str((self.end or {}).get("message", ""))

    @property
    def last(self) -> dict[str, Any]:
        """The last records of ``losses.jsonl`` and ``timing.jsonl``, merged; empty if there are none."""
        return {**last_record(self.run.timing_file), **last_record(self.run.losses_file)}


@dataclass(frozen=True)
class Sweep:
    """A sweep folder.

    Attributes:
        path: the folder.
        settings: contents of ``sweep.toml``: the settings of all runs, and the tables ``grid``, ``zip`` and ``range``
            with the settings that vary.
        varying: distinct values of each setting that varies, as text, in the requested order.
        entries: the runs, in order.
        threads: number of CPU threads of each run.
    """

    path: Path
    settings: dict[str, Any]
    varying: dict[str, list[str]]
    entries: list[Entry]
    threads: int

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def runs(self) -> list[Run]:
        """The run folders, in order."""
        return [entry.run for entry in self.entries]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def is_sweep(path: Path | str) -> bool:
    """Return True if ``path`` is a sweep folder."""
    return (Path(path) / "runs.json").is_file()


def read(path: Path | str) -> Sweep:
    """Return the sweep in the folder ``path``. Properties that change, such as ``entry.state``, are read on access.

    Raises:
        GanctlError: ``path`` is not a sweep folder, or its files are damaged.
    """
    path = Path(path)
    if not is_sweep(path):
        what = "is not a sweep folder because it has no runs.json" if path.is_dir() else "does not exist"
        raise GanctlError(f"{path} {what}.", "By default, sweep folders are in sweeps/.", status=USAGE)
    try:
        index = json.loads((path / "runs.json").read_text(encoding="utf-8"))
        entries = [
            Entry(
                name=each["name"],
                values=each["values"],
                texts=each["texts"],
                run=Run(path / each["name"]),
                steps=each["steps"],
                images_per_step=each["images_per_step"],
                queue=path / "queue",
                minutes=each.get("minutes"),
            )
            for each in index["runs"]
        ]
        varying: dict[str, list[str]] = index["varying"]
        threads: int = index["threads"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GanctlError(
            f"{path / 'runs.json'} cannot be read: {error}.",
            "This file lists the runs of the sweep. The run folders are still intact: "
            + ganctl_pattern("train", "--resume", "RUN"),
        ) from error
    return Sweep(path, toml.read(path / "sweep.toml"), varying, entries, threads)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in ``path``, or None if the file does not exist or is incomplete."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def last_record(path: Path) -> dict[str, Any]:
    """Return the last complete record of a JSON Lines file, or an empty dict. Only the end of the file is read."""
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
    """Return an identifier of this machine: the kernel's boot ID, or the host name where there is no boot ID.

    Two processes have the same boot ID if and only if the same kernel manages their locks.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return platform.node()


@cache
def this_pid_namespace() -> str:
    """Return an identifier of the PID namespace of this process; empty on systems without PID namespaces.

    A container usually has its own PID namespace, so processes in different containers may have the same PID.
    """
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def has_pid_of_this_system(worker: dict[str, Any]) -> bool:
    """Return True if this process can look up the worker's ``pid``."""
    return worker.get("machine") == this_machine() and worker.get("pid_namespace") == this_pid_namespace()


def _is_alive(worker: dict[str, Any], entry: Entry) -> bool:
    if has_pid_of_this_system(worker) and os.name == "posix":
        try:
            os.kill(int(worker["pid"]), 0)
        except (ProcessLookupError, KeyError, ValueError, TypeError, OverflowError):
            return False
        except OSError:  # the process belongs to another user
            return True
        return True
    if worker.get("machine") == this_machine() and entry.lock_file.exists():  # in another container
        return is_locked(entry.lock_file)
    try:
        return time.time() - entry.worker_file.stat().st_mtime < HEARTBEAT_TIMEOUT
    except OSError:
        return False
