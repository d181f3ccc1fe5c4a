"""What a forked ganctl is made to do: stop at a known place, so that a test can hit exactly that."""

from __future__ import annotations

import json
import os
import time
import traceback
from pathlib import Path
from typing import Any

SAVE_STAGES = ("opened", "half written", "written", "synced", "renamed", "pruning")


def start_at(moment: float) -> None:
    """Wait for ``moment`` (of time.time), so that several begin at once."""
    time.sleep(max(0.0, moment - time.time()))


def no_curves() -> None:
    """Leave out curves.png, which takes longer than all the rest of a tiny run."""
    import ganctl.rendering.curves

    ganctl.rendering.curves.draw = lambda *args: None


def in_save(stage: str, nth: int, mark: str, seconds: float) -> None:
    """At ``stage`` of the ``nth`` checkpoint's save, make the file ``mark`` and take ``seconds``."""
    count, saving = 0, False
    fsync, replace, open_, unlink = os.fsync, os.replace, Path.open, Path.unlink

    def at(reached: str) -> None:
        if reached == stage and saving and count == nth:
            _dwell(mark, seconds)

    def opened(self: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        nonlocal count, saving
        file = open_(self, mode, *args, **options)
        saving = self.name.startswith(".step-")
        if saving and mode == "wb":
            count += 1
            at("opened")
            return _Halting(file, lambda: at("half written"))
        return file

    def synced(descriptor: int) -> None:
        at("written")
        fsync(descriptor)
        at("synced")

    def replaced(source: Any, target: Any) -> None:
        replace(source, target)
        at("renamed")

    def unlinked(self: Path, *args: Any, **options: Any) -> None:
        if self.name.startswith("step-"):
            at("pruning")
        unlink(self, *args, **options)

    os.fsync, os.replace = synced, replaced
    Path.open, Path.unlink = opened, unlinked  # type: ignore[method-assign, assignment]


class _Halting:
    """A file that writes the first half of what it is given, and halts before the second."""

    def __init__(self, file: Any, halt: Any) -> None:
        self._file, self._halt = file, halt

    def __enter__(self) -> _Halting:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        self._file.write(data[: len(data) // 2])
        self._file.flush()
        self._halt()
        self._file.write(data[len(data) // 2 :])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def in_making_the_folder(mark: str, seconds: float) -> None:
    """Once the run folder is made, and before its settings are in it, make the file ``mark`` and take ``seconds``."""
    from ganctl.runs.folder import Run

    make = Run._with_folders

    def slow(self: Run) -> Run:
        run = make(self)
        _dwell(mark, seconds)
        return run

    Run._with_folders = slow  # type: ignore[method-assign]


def in_sampling(nth: int, mark: str, seconds: float) -> None:
    """In the ``nth`` sampling pass of a training, make the file ``mark`` and take ``seconds``."""
    from ganctl.training import artifacts

    count, generate = 0, artifacts.generate

    def slow(*args: Any) -> Any:
        nonlocal count
        count += 1
        if count == nth:
            _dwell(mark, seconds)
        return generate(*args)

    artifacts.generate = slow


def _dwell(mark: str, seconds: float) -> None:
    Path(mark).touch()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)


def only_make(out: str, moment: float) -> None:
    """Make the run folder ``out`` at ``moment`` and leave: 0 if that worked, else the error's status."""
    from ganctl import GanctlError
    from ganctl.runs.folder import Run

    start_at(moment)
    try:
        Run.create(Path(out))
    except GanctlError as error:
        raise SystemExit(error.status) from None
    raise SystemExit(0)


def fork_workers() -> None:
    """Let a sweep's workers be forks of this process, which has imported torch, in place of new processes."""
    from ganctl.sweeps import supervisor

    supervisor.start = _Forked  # type: ignore[assignment]
    supervisor.POLL_INTERVAL = 0.02


class _Forked:
    """A worker process, as far as ganctl.sweeps.supervisor asks."""

    def __init__(self, request: Any, threads: int, errors: Any) -> None:
        ours, self._theirs = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 99
            try:
                os.setsid()
                os.close(self._theirs)
                for descriptor, stream in ((ours, 0), (errors.fileno(), 1), (errors.fileno(), 2)):
                    os.dup2(descriptor, stream)
                from ganctl.sweeps import worker

                status = worker.main(json.dumps(request))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(ours)
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def wait(self) -> int:
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._code

    def send_signal(self, sig: int, /) -> None:
        os.kill(self.pid, sig)

    def kill(self) -> None:
        os.kill(self.pid, 9)


def watch_runs(notes: str) -> None:
    """Note who trains which run, and ``TWICE`` when somebody who lives has noted that already.

    It knows nothing of locks: it asks the system whether the process of the note still runs.
    """
    from ganctl.sweeps import claim, worker

    claim.MAX_CRASHES = 10_000  # kills out of the blue are not the run's fault
    train = worker._train

    def watched(mine: Any, *args: Any) -> None:
        path = Path(notes) / mine.entry.name
        for _ in range(100):  # who was killed lets go of its locks a moment before it is gone
            before = path.read_text() if path.exists() else ""
            if not _lives(before):
                break
            time.sleep(0.01)
        else:
            (Path(notes) / "TWICE").write_text(f"{mine.entry.name}: {before} and {os.getpid()}")
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(str(os.getpid()))
        os.replace(temporary, path)
        with (Path(notes) / "begun").open("a") as file:
            file.write(f"{mine.entry.name}\n")
        train(mine, *args)
        if path.read_text() != str(os.getpid()):
            (Path(notes) / "TWICE").write_text(f"{mine.entry.name}: {path.read_text()} within {os.getpid()}")
        path.unlink()

    worker._train = watched


def _lives(pid: str) -> bool:
    if not pid:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def without_locks() -> None:
    """As if every lock could be had: what a file system does that keeps locks to each machine."""
    from ganctl.sweeps import claim

    class Nothing:
        def release(self) -> None: ...

    claim.acquire_lock = lambda entry: Nothing()
