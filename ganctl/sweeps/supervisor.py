"""The processes that work on a sweep, started and looked after; whoever dies is replaced."""

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
from ganctl.sweeps import worker
from ganctl.sweeps.claim import count_death
from ganctl.sweeps.folder import Entry, Sweep, this_machine
from ganctl.sweeps.status_table import Board
from ganctl.system.processors import usable_processors
from ganctl.system.signals import StopSignals

SECONDS_BETWEEN_LOOKS = 0.25
MOST_FAILED_STARTS = 5
#: Of what the largest run takes, as much must be free before another is put beside it.
ROOM = 1.25


class Process(Protocol):
    """What is asked of a worker process; subprocess.Popen has it."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self) -> int: ...
    def send_signal(self, sig: int, /) -> None: ...
    def kill(self) -> None: ...


def start(request: Mapping[str, Any], threads: int, errors: Any) -> Process:
    """A worker process. It ends, and saves, when this process does."""
    return subprocess.Popen(
        worker.command(request),
        stdin=subprocess.PIPE,
        stdout=errors,
        stderr=errors,
        env={**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)},
        start_new_session=True,  # out of reach of the terminal's Ctrl-C, which we pass on
    )


class _Member:
    def __init__(self, request: Mapping[str, Any], threads: int) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = start(request, threads, self._errors)

    def how_it_ended(self, code: int) -> str:
        """In words, with the last thing that it said."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        said = f": {lines[-1].strip()}" if lines else ""
        if code < 0:
            return (
                f"was ended by {signal.Signals(-code).name}"
                + (" (out of memory?)" if code == -9 else "")
                + said
            )
        return f"ended with status {code}{said}"

    def error(self) -> GanctlError:
        """The error that it left with."""
        self._errors.seek(0)
        return GanctlError(**json.loads(self._errors.read().splitlines()[-1]))

    def close(self) -> None:
        self._errors.close()


def run(
    sweep: Sweep,
    *,
    jobs: int | None,
    board: Board,
    stop: StopSignals,
    plugins: Sequence[str] = (),
    given: Mapping[str, Any] | None = None,
) -> None:
    """Work on ``sweep`` with ``jobs`` processes until every run has ended, or a signal came and all are saved.

    Args:
        jobs: None for as many as there is room for.
        plugins: files, as ``--plugin``.
        given: settings for the processes here, such as their device.

    Raises:
        GanctlError: worker processes do not start, or cannot work here.
        Interrupted: a second signal came, and they were ended at once.
    """
    request = {
        "folder": str(sweep.path),
        "plugins": [str(path) for path in plugins],
        "given": dict(given or {}),
    }
    crew: list[_Member] = []
    left = list(sweep)
    failed_starts = 0
    stop.deferring = True
    try:
        while True:
            for member in list(crew):
                code = member.process.poll()
                if code is None:
                    continue
                crew.remove(member)
                if code == worker.HOPELESS:
                    raise member.error()
                held = _held_by(left, member.process.pid)
                if held is not None:
                    how = member.how_it_ended(code)
                    board.say(f"{held.name}: its process {how}")
                    count_death(held, how)
                # Above 128: a signal of somebody's, after saving.
                if held is not None or code in (0, worker.REPLACE) or code > 128 or stop.requested:
                    failed_starts = 0
                else:
                    failed_starts += 1
                    if failed_starts == MOST_FAILED_STARTS:
                        raise GanctlError(
                            f"A process to train runs {member.how_it_ended(code)}.",
                            f"See what a single one says: ganctl train --resume {sweep.entries[0].run.path}",
                        )
                member.close()
            board.update()
            left = [entry for entry in left if entry.end is None]
            if not left and not crew:
                return
            if stop.signum is not None:
                _end(crew, stop.signum, board)
                return
            if len(crew) < min(len(left), _wanted(left, jobs, [member.process.pid for member in crew])):
                crew.append(_Member(request, sweep.threads))
            time.sleep(SECONDS_BETWEEN_LOOKS)
    finally:
        for member in crew:  # only after an error, or a second signal
            member.process.kill()
        for member in crew:
            member.process.wait()
            member.close()


def _end(crew: list[_Member], signum: int, board: Board) -> None:
    """Let every process save and end."""
    for member in crew:
        member.process.send_signal(signum)
    while crew:
        for member in list(crew):
            if member.process.poll() is not None:
                crew.remove(member)
                member.close()
        board.update()
        time.sleep(0.05)


def _held_by(entries: Sequence[Entry], pid: int) -> Entry | None:
    """The run that the process ``pid`` of this machine had in its hands."""
    for entry in entries:
        about = entry.worker
        if about and about.get("pid") == pid and about.get("machine") == this_machine():
            return entry
    return None


def _wanted(left: Sequence[Entry], jobs: int | None, crew: Sequence[int]) -> int:
    """How many processes there should be. Unless told, another one if there is room for it beside those there are."""
    if jobs is not None:
        return jobs
    if not crew:
        return 1
    if len(crew) >= usable_processors():
        return len(crew)
    about = [entry.worker for entry in left]
    ours = [
        each for each in about if each and each.get("pid") in crew and each.get("machine") == this_machine()
    ]
    measured = [each for each in ours if each.get("memory") and each.get("free") is not None]
    if len(measured) < len(crew):  # one is still starting
        return len(crew)
    room = min(each["free"] for each in measured) >= ROOM * max(each["memory"] for each in measured)
    return len(crew) + room
