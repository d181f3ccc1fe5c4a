"""Start the worker processes of a sweep, watch them, and replace those that die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ganctl.errors import GanctlError
from ganctl.runs.resume_command import resume_command
from ganctl.sweeps import worker
from ganctl.sweeps.claim_runs import count_crash
from ganctl.sweeps.folder import Entry, Sweep, has_pid_of_this_system
from ganctl.sweeps.status_display import Display
from ganctl.system.processors import usable_processors
from ganctl.system.signals import StopSignals

POLL_INTERVAL = 0.25  # seconds
MAX_FAILED_STARTS = 5  # in a row
#: Another worker is started only if this multiple of the largest run's memory is free.
MEMORY_MARGIN = 1.25


class Process(Protocol):
    """The methods of subprocess.Popen that the supervisor uses."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self) -> int: ...
    def send_signal(self, sig: int, /) -> None: ...
    def kill(self) -> None: ...


def start(request: Mapping[str, Any], threads: int, errors: Any) -> Process:
    """Start a worker process. The worker saves its run and exits when this process exits.

    Args:
        request: argument of :func:`ganctl.sweeps.worker.main`.
        threads: number of CPU threads.
        errors: file for the output of the process.
    """
    return subprocess.Popen(
        worker.command(request),
        stdin=subprocess.PIPE,
        stdout=errors,
        stderr=errors,
        env={**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)},
        start_new_session=True,  # the supervisor forwards signals, so the terminal must not
    )


class _Worker:
    """A worker process and its output."""

    def __init__(self, request: Mapping[str, Any], threads: int) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = start(request, threads, self._errors)

    def describe_exit(self, code: int) -> str:
        """Describe how the process ended, with the last line of its output."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        last = f": {lines[-1].strip()}" if lines else ""
        if code < 0:
            memory = " (out of memory?)" if code == -9 else ""
            return f"was ended by {signal.Signals(-code).name}{memory}{last}"
        return f"ended with status {code}{last}"

    def error(self) -> GanctlError:
        """Return the error that ended the process."""
        self._errors.seek(0)
        return GanctlError(**json.loads(self._errors.read().splitlines()[-1]))

    def close(self) -> None:
        self._errors.close()


class Supervisor:
    """Train the runs of a sweep with several processes.

    Args:
        jobs: number of worker processes; None for as many as memory and CPUs allow.
        display: shows messages and the state of the sweep.
        plugins: plugin files, as ``--plugin``.
        given: settings for the processes of this machine, such as ``device``.
    """

    def __init__(
        self,
        sweep: Sweep,
        *,
        jobs: int | None,
        display: Display,
        stop: StopSignals,
        plugins: Sequence[str] = (),
        given: Mapping[str, Any] | None = None,
    ) -> None:
        self._sweep, self._jobs, self._display, self._stop = sweep, jobs, display, stop
        self._request = {
            "folder": str(sweep.path),
            "plugins": [str(path) for path in plugins],
            "given": dict(given or {}),
        }
        self._workers: list[_Worker] = []
        self._failed_starts = 0

    def run(self) -> None:
        """Work on the sweep until all runs have ended, or until a signal arrives and all runs have been saved.

        Raises:
            GanctlError: the worker processes do not start, or cannot work on this sweep.
            Interrupted: a second signal arrived; the worker processes were killed.
        """
        self._stop.deferring = True
        left = list(self._sweep)
        try:
            while True:
                self._handle_exits(left)
                self._display.update()
                left = [entry for entry in left if entry.end is None]
                if not left and not self._workers:
                    return
                if self._stop.signum is not None:
                    self._stop_workers(self._stop.signum)
                    return
                pids = [each.process.pid for each in self._workers]
                if len(pids) < min(len(left), target_workers(left, self._jobs, pids)):
                    self._workers.append(_Worker(self._request, self._sweep.threads))
                time.sleep(POLL_INTERVAL)
        finally:
            for each in self._workers:  # empty except after an error or a second signal
                each.process.kill()
            for each in self._workers:
                each.process.wait()
                each.close()

    def _handle_exits(self, left: Sequence[Entry]) -> None:
        for each in list(self._workers):
            code = each.process.poll()
            if code is not None:
                self._workers.remove(each)
                self._handle_exit(each, code, left)
                each.close()

    def _handle_exit(self, ended: _Worker, code: int, left: Sequence[Entry]) -> None:
        if code == worker.CANNOT_WORK:
            raise ended.error()
        entry = _claimed_by(left, ended.process.pid)
        if entry is not None:
            description = ended.describe_exit(code)
            self._display.say(f"{entry.name}: its process {description}")
            count_crash(entry, description)
        # A status above 128 means that a signal ended the process after it had saved its run.
        started = entry is not None or code in (0, worker.REPLACE) or code > 128 or self._stop.requested
        self._failed_starts = 0 if started else self._failed_starts + 1
        if self._failed_starts == MAX_FAILED_STARTS:
            first = self._sweep.entries[0].run.path
            raise GanctlError(
                f"A worker process {ended.describe_exit(code)}.",
                f"To see the cause, train a single run: {resume_command(first)}",
            )

    def _stop_workers(self, signum: int) -> None:
        """Forward the signal, and wait until every process has saved its run."""
        for each in self._workers:
            each.process.send_signal(signum)
        while self._workers:
            for each in list(self._workers):
                if each.process.poll() is not None:
                    self._workers.remove(each)
                    each.close()
            self._display.update()
            time.sleep(0.05)


def _claimed_by(entries: Sequence[Entry], pid: int) -> Entry | None:
    """Return the run that process ``pid`` on this system had claimed, or None."""
    for entry in entries:
        about = entry.worker
        if about and about.get("pid") == pid and has_pid_of_this_system(about):
            return entry
    return None


def target_workers(left: Sequence[Entry], jobs: int | None, pids: Sequence[int]) -> int:
    """Return how many worker processes there should be.

    Args:
        left: runs that have not ended.
        jobs: the requested number; None to add one process if there is enough free memory and a free CPU.
        pids: IDs of the current worker processes.
    """
    if jobs is not None:
        return jobs
    if not pids:
        return 1
    if len(pids) >= usable_processors():
        return len(pids)
    workers = [entry.worker for entry in left]
    own = [each for each in workers if each and each.get("pid") in pids and has_pid_of_this_system(each)]
    measured = [each for each in own if each.get("memory") and each.get("free") is not None]
    if len(measured) < len(pids):  # a process is still starting
        return len(pids)
    largest = max(each["memory"] for each in measured)
    enough = min(each["free"] for each in measured) >= MEMORY_MARGIN * largest
    return len(pids) + enough
