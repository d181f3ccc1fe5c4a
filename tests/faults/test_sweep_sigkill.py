"""Killed sweeps: one process at a time trains each run, and the results equal those of an uninterrupted sweep."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from helpers.bit_identical import assert_same_run
from helpers.fork_server import Child, ForkServer, wait_until

from ganctl import report
from ganctl.runs import status as run_status
from ganctl.runs.status import Status
from ganctl.sweeps.folder import Sweep, read

#: Four runs of 24 steps, with a log line, a checkpoint and a sample grid every 6 steps.
SWEEP = (
    *("sweep", "--model", "gan-basic", "--data", "glyphs", "-o", "data.n=96", "--batch-size", 16, "--epochs", 4),
    *("--log-every", 6, "--samples", 4, "--keep", 0, "--device", "cpu", "--tracker", "none"),
    *("--grid", "lr=1e-4,2e-4", "--grid", "optimizer=adam,rmsprop"),
)  # fmt: skip
WORKERS = 2


@pytest.fixture
def uninterrupted_sweep(fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """The finished sweep, trained once per session."""
    out = tmp_path_factory.getbasetemp() / "uninterrupted-sweep"
    if not out.exists():
        log = out.with_suffix(".log")
        assert fork_server.run(*SWEEP, "--out", out, log=log, fork_workers=[], no_curves=[]) == 0, (
            log.read_text()
        )
    return read(out)


def untrained_copy(uninterrupted_sweep: Sweep, path: Path) -> Sweep:
    """Copy the sweep and delete everything that training wrote."""
    shutil.copytree(uninterrupted_sweep.path, path)
    for entry in read(path):
        for left in (
            *entry.run.checkpoints,
            *entry.run.samples,
            *entry.run.path.glob("*.jsonl"),
            entry.end_file,
        ):
            left.unlink()
        for left in (entry.run.real_file, entry.run.log_file, entry.run.path / ".lock"):
            left.unlink(missing_ok=True)
        run_status.write(entry.run.status_file, Status("waiting", total=entry.steps))
    assert {entry.state for entry in read(path)} == {"waiting"}
    return read(path)


def assert_same_sweep(a: Sweep, b: Sweep) -> None:
    """Check that the runs of two sweeps have the same weights, losses and samples, byte for byte."""
    assert [entry.name for entry in a] == [entry.name for entry in b]
    for one, other in zip(a, b, strict=True):
        assert other.state == "finished"
        assert_same_run(one.run, other.run)
        assert not list(other.run.path.rglob("*.tmp"))


def workers_of(sweep: Sweep) -> Iterator[int]:
    """Yield the pids of the processes that are training runs of ``sweep``."""
    for entry in sweep:
        if entry.state == "running" and (about := entry.worker):
            yield about["pid"]


def traces(sweep: Sweep) -> int:
    return sum(len(entry.run.losses) + len(entry.run.checkpoints) for entry in sweep)


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill_and_check(kills: int, seed: int, expected: Sweep, fork_server: ForkServer, tmp_path: Path) -> None:
    """Kill randomly chosen workers and supervisors of a sweep ``kills`` times, then check the result.

    ``WORKERS`` supervisors train the sweep at the same time, each with one worker.
    """
    rng = random.Random(seed)
    done, rounds = 0, 0
    while done < kills:
        rounds += 1
        sweep = untrained_copy(expected, tmp_path / f"sweep-{rounds}")
        notes = tmp_path / f"notes-{rounds}"
        notes.mkdir()

        def start(i: int) -> Child:
            return fork_server.start(
                *("sweep", "--resume", sweep.path),  # noqa: B023
                log=tmp_path / f"{i}.log",
                fork_workers=[],
                watch_runs=[str(notes)],  # noqa: B023
                no_curves=[],
            )

        supervisors = [start(i) for i in range(WORKERS)]
        while any(entry.end is None for entry in sweep):
            # Wait for a few log lines and checkpoints instead of a time, so that the machine's speed does not matter.
            n = traces(sweep) + rng.randint(0, 6)
            wait_until(lambda: traces(sweep) >= n or all(e.end for e in sweep), f"trace {n}")  # noqa: B023
            time.sleep(rng.uniform(0, 0.03))
            alive = list(workers_of(sweep))
            if done >= kills or not alive:
                if done >= kills:
                    break
                continue
            what = rng.choice(("worker", "worker", "supervisor", "both"))
            if what in ("worker", "both"):
                kill(rng.choice(alive))
                done += 1
            if what in ("supervisor", "both"):
                i = rng.randrange(WORKERS)
                if supervisors[i].poll() is None:
                    supervisors[i].send(signal.SIGKILL)
                    assert supervisors[i].wait() in (0, -signal.SIGKILL)
                    supervisors[i] = start(i)
                    done += 1
        for supervisor in supervisors:
            assert supervisor.wait() == 0, f"seed {seed}, round {rounds}: {supervisor.output}"
        twice = notes / "TWICE"
        assert not twice.exists(), f"seed {seed}, round {rounds}: {twice.read_text()}"
        assert_same_sweep(expected, sweep)
        assert len((notes / "started").read_text().splitlines()) >= len(sweep)
        shutil.rmtree(sweep.path)
    print(f"{done} kills in {rounds} sweeps")


def test_sweep_is_exact_after_a_few_kills(
    fork_server: ForkServer, uninterrupted_sweep: Sweep, tmp_path: Path
) -> None:
    kill_and_check(4, 0, uninterrupted_sweep, fork_server, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif("GANCTL_FIFTY_KILLS" not in os.environ, reason="takes a minute: set GANCTL_FIFTY_KILLS=1")
def test_sweep_is_exact_after_fifty_kills(
    fork_server: ForkServer, uninterrupted_sweep: Sweep, tmp_path: Path
) -> None:
    kill_and_check(50, 1, uninterrupted_sweep, fork_server, tmp_path)


def test_two_processes_claim_one_run_if_locks_do_not_work(
    fork_server: ForkServer, uninterrupted_sweep: Sweep, tmp_path: Path
) -> None:
    """Verify that the check for two processes can fail. The run folder's lock still stops the second process."""
    sweep = untrained_copy(uninterrupted_sweep, tmp_path / "sweep")
    notes, mark = tmp_path / "notes", tmp_path / "mark"
    notes.mkdir()
    command = ("sweep", "--resume", sweep.path)
    hooks = {"fork_workers": [], "watch_runs": [str(notes)], "no_curves": []}
    first = fork_server.start(*command, log=tmp_path / "1.log", pause_in_sampling=[2, str(mark)], **hooks)
    wait_until(mark.exists, "the first run to start")
    (worker,) = workers_of(sweep)
    second = fork_server.start(*command, log=tmp_path / "2.log", without_locks=[], **hooks)
    wait_until((notes / "TWICE").exists, "two processes in one run")
    wait_until(
        lambda: sum(entry.end is not None for entry in sweep) == 3, "the second sweep to train the other runs"
    )
    assert sweep.entries[0].end is None
    assert len(sweep.entries[0].run.losses) <= 1  # the second process did not train the run
    for supervisor in (first, second):
        supervisor.send(signal.SIGTERM)
    kill(worker)
    assert [first.wait(), second.wait()] == [143, 143]


def test_ctrl_c_saves_every_run_and_resume_is_exact(
    fork_server: ForkServer, uninterrupted_sweep: Sweep, tmp_path: Path
) -> None:
    """After Ctrl-C, every worker saves its run, and all processes exit."""
    sweep = untrained_copy(uninterrupted_sweep, tmp_path / "sweep")
    command = ("sweep", "--resume", sweep.path, "--jobs", 2)
    child = fork_server.start(*command, log=tmp_path / "log", fork_workers=[], no_curves=[])
    wait_until(lambda: traces(sweep) >= 4, "the first checkpoints")
    pids = list(workers_of(sweep))
    child.send(signal.SIGINT)
    assert child.wait() == 130, child.output
    assert f"Resume: ganctl sweep --resume {sweep.path}" in child.output
    assert "Traceback" not in child.output
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert {entry.state for entry in sweep} <= {"waiting", "stopped", "finished"}
    for entry in sweep:
        if entry.state == "stopped":
            assert entry.run.checkpoints
            assert entry.worker is None
    assert fork_server.run(*command, log=tmp_path / "log", fork_workers=[], no_curves=[]) == 0
    assert_same_sweep(uninterrupted_sweep, sweep)


def test_report_of_resumed_sweep_equals_uninterrupted(
    fork_server: ForkServer, uninterrupted_sweep: Sweep, tmp_path: Path
) -> None:
    """The reports are equal except for step durations."""
    sweep = untrained_copy(uninterrupted_sweep, tmp_path / "sweep")
    command = ("sweep", "--resume", sweep.path)
    child = fork_server.start(*command, log=tmp_path / "log", fork_workers=[], no_curves=[])
    wait_until(lambda: traces(sweep) >= 7, "the middle")
    pids = list(workers_of(sweep))
    child.send(signal.SIGKILL)
    child.wait()
    for pid in pids:
        kill(pid)
    assert fork_server.run(*command, log=tmp_path / "log", fork_workers=[], no_curves=[]) == 0
    for one, other in zip(uninterrupted_sweep, sweep, strict=True):
        shutil.copy(one.run.timing_file, other.run.timing_file)
    pages = []
    for compared in (uninterrupted_sweep, sweep):
        out = tmp_path / "report.html"
        report(shutil.copytree(compared.path, tmp_path / compared.path.name / "the-sweep")).write(out)
        pages.append(out.read_text())
    assert pages[0] == pages[1]
    assert "2e-4" in pages[0]
    assert "rmsprop" in pages[0]


def test_workers_exit_when_the_supervisor_is_killed(
    uninterrupted_sweep: Sweep, fork_server: ForkServer, tmp_path: Path
) -> None:
    """The workers save their runs and exit. The test starts the processes like a user does."""
    sweep = untrained_copy(uninterrupted_sweep, tmp_path / "sweep")
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "ganctl", "sweep", "--resume", str(sweep.path)],
        stderr=(tmp_path / "log").open("w"),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    wait_until(lambda: traces(sweep) >= 2, "the first checkpoint")
    supervisor.kill()
    supervisor.wait()
    wait_until(lambda: not list(workers_of(sweep)), "the worker to exit")
    assert all(entry.worker is None for entry in sweep)
    assert sum(entry.state == "waiting" for entry in sweep) >= 2
    log = tmp_path / "log"
    assert fork_server.run("sweep", "--resume", sweep.path, log=log, fork_workers=[], no_curves=[]) == 0
    assert_same_sweep(uninterrupted_sweep, sweep)
