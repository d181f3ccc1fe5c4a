"""Sweeps whose processes are killed: no run is trained by two at once, and in the end all is as if nothing happened."""

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
from helpers.fork_server import Child, Forks, wait_until

from ganctl import report
from ganctl.runs import status as run_status
from ganctl.runs.status import Status
from ganctl.sweeps.folder import Sweep, read

#: Four runs of 24 steps, with a line, a checkpoint and a picture every 6.
SWEEP = (
    *("sweep", "--model", "gan-basic", "--data", "glyphs", "-o", "data.n=96", "--batch-size", 16, "--epochs", 4),
    *("--log-every", 6, "--samples", 4, "--keep", 0, "--device", "cpu", "--tracker", "none"),
    *("--grid", "lr=1e-4,2e-4", "--grid", "optimizer=adam,rmsprop"),
)  # fmt: skip
WORKERS = 2


@pytest.fixture
def whole_sweep(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """The sweep that nothing happened to."""
    out = tmp_path_factory.getbasetemp() / "whole-sweep"
    if not out.exists():
        log = out.with_suffix(".log")
        assert forks.run(*SWEEP, "--out", out, log=log, fork_workers=[], no_curves=[]) == 0, log.read_text()
    return read(out)


def fresh(whole_sweep: Sweep, path: Path) -> Sweep:
    """The same sweep before anything was trained."""
    shutil.copytree(whole_sweep.path, path)
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


def assert_same_sweep(whole: Sweep, hurt: Sweep) -> None:
    """Weights, metrics and pictures of every run are the same, byte for byte."""
    assert [entry.name for entry in whole] == [entry.name for entry in hurt]
    for one, other in zip(whole, hurt, strict=True):
        assert other.state == "finished"
        assert_same_run(one.run, other.run)
        assert not list(other.run.path.rglob("*.tmp"))


def workers_of(sweep: Sweep) -> Iterator[int]:
    """Processes that train its runs now."""
    for entry in sweep:
        if entry.state == "running" and (about := entry.worker):
            yield about["pid"]


def traces(sweep: Sweep) -> int:
    return sum(len(entry.run.losses) + len(entry.run.checkpoints) for entry in sweep)


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill_and_check(kills: int, seed: int, whole: Sweep, forks: Forks, tmp_path: Path) -> None:
    """``kills`` times kill at random a worker, its keeper, or both, while ``WORKERS`` of them are at one sweep."""
    chance = random.Random(seed)
    done, rounds = 0, 0
    while done < kills:
        rounds += 1
        sweep = fresh(whole, tmp_path / f"sweep-{rounds}")
        notes = tmp_path / f"notes-{rounds}"
        notes.mkdir()

        def start(i: int) -> Child:
            return forks.start(
                *("sweep", "--resume", sweep.path),  # noqa: B023
                log=tmp_path / f"{i}.log",
                fork_workers=[],
                watch_runs=[str(notes)],  # noqa: B023
                no_curves=[],
            )

        keepers = [start(i) for i in range(WORKERS)]
        while any(entry.end is None for entry in sweep):
            # A moment of the sweep, not of the clock: a few lines and checkpoints on.
            n = traces(sweep) + chance.randint(0, 6)
            wait_until(lambda: traces(sweep) >= n or all(e.end for e in sweep), f"trace {n}")  # noqa: B023
            time.sleep(chance.uniform(0, 0.03))
            alive = list(workers_of(sweep))
            if done >= kills or not alive:
                if done >= kills:
                    break
                continue
            what = chance.choice(("worker", "worker", "keeper", "both"))
            if what in ("worker", "both"):
                kill(chance.choice(alive))
                done += 1
            if what in ("keeper", "both"):
                i = chance.randrange(WORKERS)
                if keepers[i].poll() is None:
                    keepers[i].send(signal.SIGKILL)
                    assert keepers[i].wait() in (0, -signal.SIGKILL)
                    keepers[i] = start(i)
                    done += 1
        for keeper in keepers:
            assert keeper.wait() == 0, f"seed {seed}, round {rounds}: {keeper.output}"
        twice = notes / "TWICE"
        assert not twice.exists(), f"seed {seed}, round {rounds}: {twice.read_text()}"
        assert_same_sweep(whole, sweep)
        assert len((notes / "begun").read_text().splitlines()) >= len(sweep)
        shutil.rmtree(sweep.path)
    print(f"{done} kills in {rounds} sweeps")


def test_a_few_kills(forks: Forks, whole_sweep: Sweep, tmp_path: Path) -> None:
    kill_and_check(4, 0, whole_sweep, forks, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif("GANCTL_FIFTY_KILLS" not in os.environ, reason="takes a minute: set GANCTL_FIFTY_KILLS=1")
def test_fifty_kills(forks: Forks, whole_sweep: Sweep, tmp_path: Path) -> None:
    kill_and_check(50, 1, whole_sweep, forks, tmp_path)


def test_the_watch_notices_what_locks_prevent(forks: Forks, whole_sweep: Sweep, tmp_path: Path) -> None:
    """The comparison can fail: without the queue's locks two begin one run. Then the run folder's own stops it."""
    sweep = fresh(whole_sweep, tmp_path / "sweep")
    notes, mark = tmp_path / "notes", tmp_path / "mark"
    notes.mkdir()
    command = ("sweep", "--resume", sweep.path)
    hooks = {"fork_workers": [], "watch_runs": [str(notes)], "no_curves": []}
    first = forks.start(*command, log=tmp_path / "1.log", in_sampling=[2, str(mark), 600], **hooks)
    wait_until(mark.exists, "the first run to be at work")
    (at_work,) = workers_of(sweep)
    second = forks.start(*command, log=tmp_path / "2.log", without_locks=[], **hooks)
    wait_until((notes / "TWICE").exists, "two at one run")
    wait_until(lambda: sum(entry.end is not None for entry in sweep) == 3, "the second to do the others")
    assert sweep.entries[0].end is None
    assert len(sweep.entries[0].run.losses) <= 1  # it stands where the first halted
    for keeper in (first, second):
        keeper.send(signal.SIGTERM)
    kill(at_work)
    assert [first.wait(), second.wait()] == [143, 143]


def test_stopped_and_gone_on_with(forks: Forks, whole_sweep: Sweep, tmp_path: Path) -> None:
    """Ctrl-C to the sweep lets every run save; nothing is left running, and going on is exact."""
    sweep = fresh(whole_sweep, tmp_path / "sweep")
    command = ("sweep", "--resume", sweep.path, "--jobs", 2)
    child = forks.start(*command, log=tmp_path / "log", fork_workers=[], no_curves=[])
    wait_until(lambda: traces(sweep) >= 4, "the first checkpoints")
    pids = list(workers_of(sweep))
    child.send(signal.SIGINT)
    assert child.wait() == 130, child.output
    assert f"Resume: ganctl sweep --resume {sweep.path}" in child.output
    assert "Traceback" not in child.output
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert {entry.state for entry in sweep} <= {"waiting", "stopped", "finished"}
    for entry in sweep:
        if entry.state == "stopped":  # saved where it stood
            assert entry.run.checkpoints
            assert entry.worker is None
    assert forks.run(*command, log=tmp_path / "log", fork_workers=[], no_curves=[]) == 0
    assert_same_sweep(whole_sweep, sweep)


def test_the_report_is_that_of_a_sweep_that_was_never_stopped(
    forks: Forks, whole_sweep: Sweep, tmp_path: Path
) -> None:
    """But for how long the steps took."""
    sweep = fresh(whole_sweep, tmp_path / "sweep")
    command = ("sweep", "--resume", sweep.path)
    child = forks.start(*command, log=tmp_path / "log", fork_workers=[], no_curves=[])
    wait_until(lambda: traces(sweep) >= 7, "the middle")
    pids = list(workers_of(sweep))
    child.send(signal.SIGKILL)
    child.wait()
    for pid in pids:
        kill(pid)
    assert forks.run(*command, log=tmp_path / "log", fork_workers=[], no_curves=[]) == 0
    for one, other in zip(whole_sweep, sweep, strict=True):
        shutil.copy(one.run.timing_file, other.run.timing_file)
    pages = []
    for made in (whole_sweep, sweep):
        out = tmp_path / "report.html"
        report(shutil.copytree(made.path, tmp_path / made.path.name / "the-sweep")).write(out)
        pages.append(out.read_text())
    assert pages[0] == pages[1]
    assert "2e-4" in pages[0]
    assert "rmsprop" in pages[0]


def test_workers_leave_when_their_keeper_is_killed(whole_sweep: Sweep, forks: Forks, tmp_path: Path) -> None:
    """They save, and nobody goes on training behind the user's back. With processes as users have them."""
    sweep = fresh(whole_sweep, tmp_path / "sweep")
    keeper = subprocess.Popen(
        [sys.executable, "-m", "ganctl", "sweep", "--resume", str(sweep.path)],
        stderr=(tmp_path / "log").open("w"),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    wait_until(lambda: traces(sweep) >= 2, "the first checkpoint")
    keeper.kill()
    keeper.wait()
    wait_until(lambda: not list(workers_of(sweep)), "the worker to leave")
    assert all(entry.worker is None for entry in sweep)  # in order
    assert sum(entry.state == "waiting" for entry in sweep) >= 2
    log = tmp_path / "log"
    assert forks.run("sweep", "--resume", sweep.path, log=log, fork_workers=[], no_curves=[]) == 0
    assert_same_sweep(whole_sweep, sweep)
