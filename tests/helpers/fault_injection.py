"""Modify a forked ganctl process, for example to pause at a known place where a test can interrupt it.

:class:`helpers.fork_server.ForkServer` calls these functions by name in the new process, before the command starts.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from pathlib import Path
from typing import Any

SAVE_STAGES = ("opened", "half written", "written", "synced", "renamed", "pruning")


def start_at(moment: float) -> None:
    """Wait until ``time.time()`` is ``moment``, so that several processes start at the same time."""
    time.sleep(max(0.0, moment - time.time()))


def no_curves() -> None:
    """Skip drawing curves.png, which takes longer than the rest of a tiny run."""
    import ganctl.rendering.curves

    ganctl.rendering.curves.draw = lambda *args: None


def pause_in_save(stage: str, nth: int, mark: str) -> None:
    """Pause at ``stage`` of the ``nth`` checkpoint save; see :func:`_pause`."""
    from ganctl.system.files import TEMPORARY_NAME

    count, saving, paused = 0, False, False
    fsync, replace, open_, unlink = os.fsync, os.replace, Path.open, Path.unlink

    def at(reached: str) -> None:
        nonlocal paused
        if reached == stage and saving and count == nth and not paused:
            paused = True
            _pause(mark)

    def opened(self: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        nonlocal count, saving
        file = open_(self, mode, *args, **options)
        saving = self.parent.name == "checkpoints" and TEMPORARY_NAME.fullmatch(self.name) is not None
        if saving and mode == "wb":
            count += 1
            at("opened")
            return _PausingFile(file, lambda: at("half written"))
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


class _PausingFile:
    """A file that calls ``pause`` between the first and the second half of each write."""

    def __init__(self, file: Any, pause: Any) -> None:
        self._file, self._pause = file, pause

    def __enter__(self) -> _PausingFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        self._file.write(data[: len(data) // 2])
        self._file.flush()
        self._pause()
        self._file.write(data[len(data) // 2 :])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def pause_in_folder_creation(mark: str) -> None:
    """Pause after the run folder is created and before the settings are written; see :func:`_pause`."""
    from ganctl.runs.folder import Run

    make = Run._with_folders

    def slow(self: Run) -> Run:
        run = make(self)
        _pause(mark)
        return run

    Run._with_folders = slow  # type: ignore[method-assign]


def pause_in_sampling(nth: int, mark: str) -> None:
    """Pause in the ``nth`` sampling pass of a run; see :func:`_pause`."""
    from ganctl.training import artifacts

    count, generate = 0, artifacts.generate

    def slow(*args: Any) -> Any:
        nonlocal count
        count += 1
        if count == nth:
            _pause(mark)
        return generate(*args)

    artifacts.generate = slow


def _pause(mark: str) -> None:
    """Create the file ``mark`` and wait until the test deletes the file, at most ten minutes."""
    Path(mark).touch()
    deadline = time.monotonic() + 600
    while Path(mark).exists() and time.monotonic() < deadline:
        time.sleep(0.01)


def only_create_folder(out: str, moment: float) -> None:
    """Create the run folder ``out`` at ``moment``, and exit with 0 or with the error's status."""
    from ganctl import GanctlError
    from ganctl.runs.folder import Run

    start_at(moment)
    try:
        Run.create(Path(out))
    except GanctlError as error:
        raise SystemExit(error.status) from None
    raise SystemExit(0)


def fork_workers() -> None:
    """Start a sweep's workers by forking this process, which has already imported torch."""
    from ganctl.sweeps import supervisor

    supervisor.start = _ForkedWorker  # type: ignore[assignment]
    supervisor.POLL_INTERVAL = 0.02


class _ForkedWorker:
    """The part of ``subprocess.Popen`` that ganctl.sweeps.supervisor uses."""

    def __init__(self, request: Any, threads: int, errors: Any) -> None:
        from_parent, self._to_worker = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 99
            try:
                os.setsid()
                os.close(self._to_worker)
                for descriptor, stream in ((from_parent, 0), (errors.fileno(), 1), (errors.fileno(), 2)):
                    os.dup2(descriptor, stream)
                from ganctl.sweeps import worker

                status = worker.main(json.dumps(request))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(from_parent)
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
    """Write the pid that trains each run to a file. If two processes train one run, also write the file ``TWICE``.

    The check does not depend on ganctl's locks: a process trains its run as long as it is alive.
    """
    from ganctl.sweeps import claim_runs, worker

    claim_runs.MAX_CRASHES = 10_000  # kills by these tests must not mark a run as failed
    train = worker._train

    def watched(mine: Any, *args: Any) -> None:
        path = Path(notes) / mine.entry.name
        for _ in range(300):  # a killed process releases its locks shortly before the process disappears
            before = path.read_text() if path.exists() else ""
            if not _is_alive(before):
                break
            time.sleep(0.01)
        else:
            (Path(notes) / "TWICE").write_text(f"{mine.entry.name}: {before} and {os.getpid()}")
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(str(os.getpid()))
        os.replace(temporary, path)
        with (Path(notes) / "started").open("a") as file:
            file.write(f"{mine.entry.name}\n")
        try:
            train(mine, *args)
        finally:
            after = path.read_text() if path.exists() else "another process"
            if after != str(os.getpid()):
                (Path(notes) / "TWICE").write_text(
                    f"{mine.entry.name}: {after} while {os.getpid()} trained it"
                )
            path.unlink(missing_ok=True)

    worker._train = watched


def _is_alive(pid: str) -> bool:
    if not pid:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def without_locks() -> None:
    """Make every lock available, like on a file system that does not share locks between machines."""
    from ganctl.sweeps import claim_runs

    class NoLock:
        def release(self) -> None: ...

    claim_runs.acquire_lock = lambda entry: NoLock()
