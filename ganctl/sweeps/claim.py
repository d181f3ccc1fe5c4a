"""Who works on what: each run of a sweep is taken by one process at a time, on however many machines.

What keeps two from the same run is the kernel's lock on ``queue/NAME.lock``, held by the process that trains for as
long as it lives (filelock: flock on POSIX, LockFileEx on Windows). It needs no clock and no list that could be damaged,
and a ``kill -9`` frees it at once. Network file systems pass such locks on to other machines (NFSv4, NFSv3 with lockd,
SMB, CephFS, Lustre with ``flock``), and free those of a machine that went down. Some do not, and say nothing: so
whoever gets the lock of a run that another machine left without a word first looks whether that machine is still at it.

docs/sweeps.md compares this with the journals and leases that other libraries have.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from filelock import FileLock, Timeout

from ganctl.errors import GanctlError, status_of
from ganctl.sweeps.folder import SECONDS_BETWEEN_BEATS, SECONDS_UNTIL_GONE, Entry, Sweep, this_machine
from ganctl.system.files import write_atomically

DEATHS = 3  # in a row, without getting on: then it is the run's fault


class Claim:
    """A run that this process has taken. Give it back with :meth:`done`, :meth:`failed` or :meth:`released`."""

    def __init__(self, entry: Entry, lock: Any) -> None:
        self.entry, self._lock = entry, lock
        self._stop, self._writing = threading.Event(), threading.Lock()
        self._about: dict[str, Any] = {
            "machine": this_machine(),
            "host": platform.node(),
            "pid": os.getpid(),
            "beat": 0,
        }
        self._write()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def add(self, **values: Any) -> None:
        """Tell more about this worker, in its file."""
        self._write(**values)

    def done(self) -> None:
        self._end({"state": "done"})

    def failed(self, message: str, hint: str, status: int) -> None:
        self._end(
            {"state": "failed", "message": message, "hint": hint, "status": status, "host": platform.node()}
        )

    def released(self) -> None:
        """The run is not finished: somebody may go on with it."""
        self._end(None)

    def _end(self, record: dict[str, Any] | None) -> None:
        self._stop.set()
        self._thread.join()
        try:
            if record is not None:
                write_end(self.entry, record)
            self.entry.worker_file.unlink(missing_ok=True)
        finally:
            self._lock.release()

    def _beat(self) -> None:
        while not self._stop.wait(SECONDS_BETWEEN_BEATS):
            with suppress(OSError):  # a network that is away for a while
                self._write(beat=self._about["beat"] + 1)

    def _write(self, **values: Any) -> None:
        # Renamed into place, that a reader on another machine opens the new file and is not shown a cached one.
        temporary = self.entry.worker_file.with_name(f".{self.entry.name}.worker.tmp")
        with self._writing:
            self._about.update(values)
            temporary.write_text(json.dumps(self._about), encoding="utf-8")
            os.replace(temporary, self.entry.worker_file)


def take(
    sweep: Sweep, *, skip: Collection[str] = (), check: Callable[[], None] = lambda: None
) -> Claim | None:
    """The first run that is neither ended nor in anybody's hands, taken; or None.

    Args:
        skip: names of runs to leave alone.
        check: called now and then while waiting; may raise.

    Raises:
        GanctlError: the folder cannot be written, or does not pass locks on to another machine that works in it.
    """
    for entry in sweep:
        if entry.name in skip or entry.end is not None:
            continue
        lock = locked(entry)
        if lock is None:
            continue
        try:
            if entry.end is not None:  # since we looked
                lock.release()
                continue
            _see_that_locks_are_shared(entry, check)
            return Claim(entry, lock)
        except OSError as error:
            lock.release()
            raise _unwritable(entry, error) from error
        except BaseException:
            lock.release()
            raise
    return None


def locked(entry: Entry) -> Any:
    """The lock of ``entry``, acquired; None if another process has it."""
    lock = FileLock(entry.lock_file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    except OSError as error:
        raise _unwritable(entry, error) from error
    return lock


def write_end(entry: Entry, record: dict[str, Any]) -> None:
    """Write down how a run ended. Its lock is held."""
    write_atomically(entry.end_file, json.dumps(record, ensure_ascii=False).encode())


def forget_failures(sweep: Sweep) -> None:
    """Let every failed run be tried again."""
    for entry in sweep:
        if entry.state == "failed" and (lock := locked(entry)) is not None:
            try:
                if entry.state == "failed":
                    entry.deaths_file.unlink(missing_ok=True)
                    entry.end_file.unlink(missing_ok=True)
            finally:
                lock.release()


def count_death(entry: Entry, how: str) -> None:
    """Its process ended by itself. If that happens again and again at one place, the run has failed."""
    lock = locked(entry)
    if lock is None:  # somebody is at it already
        return
    try:
        newest = entry.run.checkpoints[-1:]
        place = newest[0].name if newest else ""
        before = json.loads(entry.deaths_file.read_text()) if entry.deaths_file.exists() else {}
        count = before.get("count", 0) + 1 if before.get("place") == place else 1
        write_atomically(entry.deaths_file, json.dumps({"count": count, "place": place}).encode())
        if count >= DEATHS:
            where = f"after {place}" if place else "before its first checkpoint"
            write_end(
                entry,
                {
                    "state": "failed",
                    "message": f"Its process {how}, {count} times {where}.",
                    "hint": "If memory is short, give fewer --jobs or a smaller --batch-size.",
                    "status": 6,
                    "host": platform.node(),
                },
            )
    finally:
        lock.release()


def _see_that_locks_are_shared(entry: Entry, check: Callable[[], None]) -> None:
    """We have its lock, so nobody works on it. If it seems that somebody on another machine does, locks are in vain."""
    worker = entry.worker
    if worker is None or worker.get("machine") == this_machine():
        return
    until = time.monotonic() + SECONDS_UNTIL_GONE
    while time.monotonic() < until:
        check()
        now = entry.worker
        if now is None:  # ended, between our looks
            return
        if now.get("beat") != worker.get("beat") or now.get("pid") != worker.get("pid"):
            raise GanctlError(
                f"{worker.get('host')} is at work on {entry.run.path}, yet its lock could be taken here: this file "
                "system does not pass locks on from machine to machine.",
                "Let one machine at a time work on this sweep, or put it on a file system that does, as NFS version 4.",
            )
        time.sleep(0.5)


def _unwritable(entry: Entry, error: OSError) -> GanctlError:
    return GanctlError(
        f"Cannot write in {entry.queue}: {error.strerror or error}.",
        "Whoever works on a sweep must be allowed to write there.",
        status=status_of(error),
    )
