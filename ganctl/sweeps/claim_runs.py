"""Claim runs: each run of a sweep is trained by one process at a time, on any number of machines.

The kernel's lock on ``queue/NAME.lock`` prevents two processes from taking the same run. The process that trains a run
holds its lock until the process exits (filelock: flock on POSIX, LockFileEx on Windows). No timeout has to expire, no
record can be damaged, and ``kill -9`` frees the lock immediately. Network file systems share such locks between
machines (NFSv4, NFSv3 with lockd, SMB, CephFS, Lustre with ``flock``) and free the locks of a machine that goes down.
Some file systems do not share locks and do not report an error. Therefore, before a process takes a run that another
machine did not release, the process checks whether the other machine still sends heartbeats.

docs/sweeps.md compares these locks with the journals and leases of other libraries.
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
from ganctl.sweeps.folder import (
    FAILURES,
    HEARTBEAT_INTERVAL,
    HEARTBEAT_TIMEOUT,
    Entry,
    Sweep,
    this_machine,
    this_pid_namespace,
)
from ganctl.system.files import temporary_beside, write_atomically

MAX_CRASHES = 3  # consecutive crashes at the same checkpoint after which a run counts as failed


class Claim:
    """A run that this process has taken. End the claim with :meth:`finish`, :meth:`fail` or :meth:`release`."""

    def __init__(self, entry: Entry, lock: Any) -> None:
        self.entry, self._lock = entry, lock
        self._stop, self._writing = threading.Event(), threading.Lock()
        self._worker: dict[str, Any] = {
            "machine": this_machine(),
            "pid_namespace": this_pid_namespace(),
            "host": platform.node(),
            "pid": os.getpid(),
            "heartbeat": 0,
        }
        self._write()
        self._thread = threading.Thread(target=self._send_heartbeats, daemon=True)
        self._thread.start()

    def update(self, **values: Any) -> None:
        """Add ``values`` to the worker file."""
        self._write(**values)

    def finish(self) -> None:
        """Record that the run finished, and release the run."""
        self._end({"state": "finished"})

    def fail(self, message: str, hint: str, status: int) -> None:
        """Record that the run failed, and release the run."""
        self._end(_failure(message, hint, status))

    def release(self) -> None:
        """Release a run that has not ended, so that another worker can resume it."""
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

    def _send_heartbeats(self) -> None:
        while not self._stop.wait(HEARTBEAT_INTERVAL):
            with suppress(OSError):  # the network may be unavailable for a while
                self._write(heartbeat=self._worker["heartbeat"] + 1)

    def _write(self, **values: Any) -> None:
        # Replace the file, so that a reader on another machine opens the new file instead of a cached copy.
        temporary = temporary_beside(self.entry.worker_file)
        with self._writing:
            self._worker.update(values)
            try:
                temporary.write_text(json.dumps(self._worker), encoding="utf-8")
                os.replace(temporary, self.entry.worker_file)
            finally:
                temporary.unlink(missing_ok=True)


def claim_next(
    sweep: Sweep, *, skip: Collection[str] = (), check: Callable[[], None] = lambda: None
) -> Claim | None:
    """Claim the first run that has not ended and that no process holds. Return None if there is no such run.

    Args:
        skip: names of runs to skip.
        check: function that is called regularly while waiting. It may raise an exception.

    Raises:
        GanctlError: the folder is not writable, or its file system does not share locks with another machine that
            is working on the sweep.
    """
    for entry in sweep:
        if entry.name in skip or entry.end is not None:
            continue
        lock = acquire_lock(entry)
        if lock is None:
            continue
        try:
            if entry.end is not None:  # the run may have ended before the lock was acquired
                lock.release()
                continue
            _check_locks_are_shared(entry, check)
            return Claim(entry, lock)
        except OSError as error:
            lock.release()
            raise _not_writable(entry, error) from error
        except BaseException:
            lock.release()
            raise
    return None


def acquire_lock(entry: Entry) -> Any:
    """Acquire and return the lock of ``entry``. Return None if another process holds the lock."""
    lock = FileLock(entry.lock_file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    except OSError as error:
        raise _not_writable(entry, error) from error
    return lock


def write_end(entry: Entry, record: dict[str, Any]) -> None:
    """Write how a run ended. The caller holds the lock of ``entry``."""
    write_atomically(entry.end_file, json.dumps(record, ensure_ascii=False).encode())


def reset_failed_runs(sweep: Sweep) -> None:
    """Delete the records of all failed runs, so that workers try these runs again."""
    for entry in sweep:
        if entry.state in FAILURES and (lock := acquire_lock(entry)) is not None:
            try:
                if entry.state in FAILURES:
                    entry.crashes_file.unlink(missing_ok=True)
                    entry.end_file.unlink(missing_ok=True)
            finally:
                lock.release()


def count_crash(entry: Entry, description: str) -> None:
    """Count a process that died while it trained ``entry``.

    After :data:`MAX_CRASHES` crashes without a new checkpoint, the run counts as failed.

    Args:
        description: how the process ended, for example ``"ended with status 1"``.
    """
    lock = acquire_lock(entry)
    if lock is None:  # another process has already resumed the run
        return
    try:
        newest = entry.run.checkpoints[-1:]
        checkpoint = newest[0].name if newest else ""
        before = json.loads(entry.crashes_file.read_text()) if entry.crashes_file.exists() else {}
        count = before.get("count", 0) + 1 if before.get("checkpoint") == checkpoint else 1
        write_atomically(entry.crashes_file, json.dumps({"count": count, "checkpoint": checkpoint}).encode())
        if count >= MAX_CRASHES:
            where = f"after {checkpoint}" if checkpoint else "before its first checkpoint"
            write_end(
                entry,
                _failure(
                    f"Its process {description} {count} times {where}.",
                    "If it ran out of memory, reduce --jobs or --batch-size.",
                    6,
                ),
            )
    finally:
        lock.release()


def _failure(message: str, hint: str, status: int) -> dict[str, Any]:
    return {
        "state": "failed",
        "message": message,
        "hint": hint,
        "status": status,
        "host": platform.node(),
    }


def _check_locks_are_shared(entry: Entry, check: Callable[[], None]) -> None:
    """Raise if another machine still trains ``entry`` although this process holds its lock."""
    worker = entry.worker
    if worker is None or worker.get("machine") == this_machine():
        return
    until = time.monotonic() + HEARTBEAT_TIMEOUT
    while time.monotonic() < until:
        check()
        now = entry.worker
        if now is None:  # the other machine has ended its claim in the meantime
            return
        if now.get("heartbeat") != worker.get("heartbeat") or now.get("pid") != worker.get("pid"):
            raise GanctlError(
                f"{worker.get('host')} is training {entry.run.path}, but its lock could be acquired here: this file "
                "system does not share locks between machines.",
                "Work on this sweep from one machine at a time, or move it to a file system with shared locks, for "
                "example NFS version 4.",
            )
        time.sleep(0.5)


def _not_writable(entry: Entry, error: OSError) -> GanctlError:
    return GanctlError(
        f"Cannot write to {entry.queue}: {error.strerror or error}.",
        "Give the user who works on this sweep write access to that folder.",
        status=status_of(error),
    )
