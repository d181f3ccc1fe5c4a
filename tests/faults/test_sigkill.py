"""After ``kill -9`` at any moment, resuming produces the result of an uninterrupted run, bit for bit."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers.fault_injection import SAVE_STAGES
from helpers.fork_server import Child, ForkServer, wait_until
from helpers.train_commands import SMALL, assert_resume_matches, train_args

from ganctl.runs import checkpoint
from ganctl.runs.folder import Run

RANDOM_KILLS = 34
KILLS_PER_RUN = 2
SAVE_KILLS = [(stage, nth) for stage in SAVE_STAGES for nth in (1, 2, 4) if (stage, nth) != ("pruning", 1)]
assert RANDOM_KILLS + len(SAVE_KILLS) > 50

TRACES = 4 + 4 + 5  # number of log lines, checkpoints and sample grids that a finished run has written


def kill_9(child: Child) -> None:
    child.send(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL


def traces(run: Run) -> int:
    return len(run.losses) + len(run.checkpoints) + len(run.samples)


@pytest.mark.parametrize("seed", range(RANDOM_KILLS // KILLS_PER_RUN))
def test_resume_after_kill_at_random_moment(
    seed: int, fork_server: ForkServer, uninterrupted: Callable[..., Run], tmp_path: Path
) -> None:
    """Each run is killed and resumed repeatedly. After each kill, a copy of the run is resumed to the end."""
    rng = random.Random(seed)
    model = ("gan", "dcgan")[seed % 2]
    expected, out, log = uninterrupted(model), tmp_path / "run", tmp_path / "log"
    run, kills = Run(out), 0
    while kills < KILLS_PER_RUN:
        resuming = run.config_file.exists()
        args = ("train", "--resume", out) if resuming else (*train_args(model), "--out", out)
        # Kill between the n-th trace of the run and the next, so that the machine's speed does not matter.
        least = min(traces(run), TRACES - 1) if resuming else 0
        n, delay = rng.randint(least, TRACES - 1), rng.uniform(0, 0.05)
        child = fork_server.start(*args, log=log, no_curves=[])
        wait_until(
            lambda: (run.config_file.exists() and traces(run) >= n) or child.poll() is not None,  # noqa: B023
            f"trace {n}",
        )
        time.sleep(delay)
        child.send(signal.SIGKILL)
        if child.wait() == 0:  # the run finished before the signal
            shutil.rmtree(out)
            continue
        assert child.status == -signal.SIGKILL, child.output
        kills += 1
        try:
            assert_resume_matches(out, expected, fork_server)
        except AssertionError as error:
            raise AssertionError(
                f"seed {seed}, kill {kills}, {delay:.4f} s after trace {n}: {error}"
            ) from error


@pytest.mark.parametrize(("stage", "nth"), SAVE_KILLS)
def test_resume_after_kill_during_save(
    stage: str, nth: int, fork_server: ForkServer, uninterrupted: Callable[..., Run], tmp_path: Path
) -> None:
    keep = ("--keep", 1) if stage == "pruning" else ()
    out, mark = tmp_path / "run", tmp_path / "mark"
    child = fork_server.start(
        *train_args("gan"),
        *keep,
        "--out",
        out,
        log=tmp_path / "log",
        no_curves=[],
        pause_in_save=[stage, nth, str(mark)],
    )
    wait_until(lambda: mark.exists() or child.poll() is not None, f"the save to be {stage}")
    kill_9(child)
    run = Run(out)
    complete = nth if stage in ("renamed", "pruning") else nth - 1
    if stage == "pruning":
        assert len(run.checkpoints) == 2  # the old checkpoint is kept until the new one is safe
    else:
        assert len(run.checkpoints) == complete
        assert len(list(out.rglob(".ganctl-*.tmp"))) == (stage != "renamed")
    for path in run.checkpoints:
        checkpoint.load(path)
    assert_resume_matches(out, uninterrupted("gan", *keep), fork_server)


@pytest.mark.parametrize("model", SMALL)
def test_resume_after_kill_before_first_checkpoint(
    model: str, fork_server: ForkServer, uninterrupted: Callable[..., Run], tmp_path: Path
) -> None:
    """The run restarts from its settings, which are written first."""
    out, mark = tmp_path / "run", tmp_path / "mark"
    child = fork_server.start(
        *(*train_args(model), "--out", out),
        log=tmp_path / "log",
        no_curves=[],
        pause_in_sampling=[1, str(mark)],
    )
    wait_until(mark.exists, "the first samples")
    kill_9(child)
    assert not Run(out).checkpoints
    assert_resume_matches(out, uninterrupted(model), fork_server)


@pytest.mark.slow
def test_resume_after_kill_of_the_command(
    fork_server: ForkServer, uninterrupted: Callable[..., Run], tmp_path: Path
) -> None:
    """``python -m ganctl`` is killed, resumed and killed again, without injected pauses."""
    expected, out = uninterrupted("gan"), tmp_path / "run"
    rng = random.Random(0)
    command = [sys.executable, "-m", "ganctl"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for kill in (1, 2):
        args = ("train", "--resume", out) if kill == 2 else (*train_args("gan"), "--out", out)
        with (tmp_path / "log").open("ab") as log:
            started = log.tell()
            process = subprocess.Popen([*command, *map(str, args)], stderr=log, env=environment)
        wait_until(
            lambda: b"to step" in (tmp_path / "log").read_bytes()[started:],  # noqa: B023
            "the first step",
        )
        time.sleep(rng.uniform(0, 0.1))
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert_resume_matches(out, expected, fork_server)


def test_resume_with_a_different_random_state_changes_the_result(
    fork_server: ForkServer, uninterrupted: Callable[..., Run], tmp_path: Path
) -> None:
    """Verify that the comparison can fail: a different random state in the checkpoint changes the result."""
    out, mark = tmp_path / "run", tmp_path / "mark"
    child = fork_server.start(
        *train_args("gan"),
        "--out",
        out,
        log=tmp_path / "log",
        no_curves=[],
        pause_in_save=["renamed", 2, str(mark)],
    )
    wait_until(mark.exists, "the second save")
    kill_9(child)
    newest = Run(out).checkpoints[-1]
    state = checkpoint.load(newest)
    state["rng"]["cpu"] = torch.Generator().manual_seed(1).get_state()
    checkpoint.save(newest, state)
    with pytest.raises(AssertionError):
        assert_resume_matches(out, uninterrupted("gan"), fork_server)
