"""``kill -9`` at any moment: going on ends as if nothing had happened, bit for bit."""

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
from helpers.fork_server import Child, Forks, wait_until
from helpers.train_commands import SMALL, assert_goes_on, training

from ganctl.runs import checkpoint
from ganctl.runs.folder import Run

AT_RANDOM = 34
CHAIN = 2  # kills in a row on one run
IN_A_SAVE = [(stage, nth) for stage in SAVE_STAGES for nth in (1, 2, 4) if (stage, nth) != ("pruning", 1)]
assert AT_RANDOM + len(IN_A_SAVE) > 50


TRACES = 4 + 4 + 5  # lines, checkpoints and pictures that a whole run leaves, each at its own time


def kill_9(child: Child) -> None:
    child.send(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL


def traces(run: Run) -> int:
    return len(run.losses) + len(run.checkpoints) + len(run.samples)


@pytest.mark.parametrize("seed", range(AT_RANDOM // CHAIN))
def test_killed_at_a_random_moment(
    seed: int, forks: Forks, whole: Callable[..., Run], tmp_path: Path
) -> None:
    """Each run is killed and gone on with, again and again; after each kill a copy goes on to the end."""
    chance = random.Random(seed)
    model = ("gan", "dcgan")[seed % 2]
    expected, out, log = whole(model), tmp_path / "run", tmp_path / "log"
    run, kills = Run(out), 0
    while kills < CHAIN:
        going_on = run.config_file.exists()
        args = ("train", "--resume", out) if going_on else (*training(model), "--out", out)
        # A moment of the run, not of the clock: between its n-th trace and the next, on however slow a machine.
        least = min(traces(run), TRACES - 1) if going_on else 0
        n, delay = chance.randint(least, TRACES - 1), chance.uniform(0, 0.05)
        child = forks.start(*args, log=log, no_curves=[])
        wait_until(
            lambda: (run.config_file.exists() and traces(run) >= n) or child.poll() is not None,  # noqa: B023
            f"trace {n}",
        )
        time.sleep(delay)
        child.send(signal.SIGKILL)
        if child.wait() == 0:  # it was quicker
            shutil.rmtree(out)
            continue
        assert child.status == -signal.SIGKILL, child.output
        kills += 1
        try:
            assert_goes_on(out, expected, forks)
        except AssertionError as error:
            raise AssertionError(
                f"seed {seed}, kill {kills}, {delay:.4f} s after trace {n}: {error}"
            ) from error


@pytest.mark.parametrize(("stage", "nth"), IN_A_SAVE)
def test_killed_inside_a_save(
    stage: str, nth: int, forks: Forks, whole: Callable[..., Run], tmp_path: Path
) -> None:
    keep = ("--keep", 1) if stage == "pruning" else ()
    out, mark = tmp_path / "run", tmp_path / "mark"
    child = forks.start(
        *training("gan"),
        *keep,
        "--out",
        out,
        log=tmp_path / "log",
        no_curves=[],
        in_save=[stage, nth, str(mark), 60],
    )
    wait_until(lambda: mark.exists() or child.poll() is not None, f"the save to be {stage}")
    kill_9(child)
    run = Run(out)
    complete = nth if stage in ("renamed", "pruning") else nth - 1
    if stage == "pruning":
        assert len(run.checkpoints) == 2  # the old one is there until the new one is safe
    else:
        assert len(run.checkpoints) == complete
        assert len(list(out.rglob(".step-*.tmp"))) == (stage != "renamed")
    for path in run.checkpoints:
        checkpoint.load(path)
    assert_goes_on(out, whole("gan", *keep), forks)


@pytest.mark.parametrize("model", SMALL)
def test_killed_before_anything_is_saved(
    model: str, forks: Forks, whole: Callable[..., Run], tmp_path: Path
) -> None:
    """It begins again from its settings, which are written first of all."""
    out, mark = tmp_path / "run", tmp_path / "mark"
    child = forks.start(
        *(*training(model), "--out", out), log=tmp_path / "log", no_curves=[], in_sampling=[1, str(mark), 60]
    )
    wait_until(mark.exists, "the first pictures")
    kill_9(child)
    assert not Run(out).checkpoints
    assert_goes_on(out, whole(model), forks)


@pytest.mark.slow
def test_the_command_itself_killed(forks: Forks, whole: Callable[..., Run], tmp_path: Path) -> None:
    """As a user has it: no hook, ``python -m ganctl`` killed, gone on with and killed again."""
    expected, out = whole("gan"), tmp_path / "run"
    chance = random.Random(0)
    command = [sys.executable, "-m", "ganctl"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for kill in (1, 2):
        going_on = ("train", "--resume", out) if kill == 2 else (*training("gan"), "--out", out)
        with (tmp_path / "log").open("ab") as log:
            started = log.tell()
            process = subprocess.Popen([*command, *map(str, going_on)], stderr=log, env=environment)
        wait_until(
            lambda: b"to step" in (tmp_path / "log").read_bytes()[started:],  # noqa: B023
            "the training to begin",
        )
        time.sleep(chance.uniform(0, 0.1))
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert_goes_on(out, expected, forks)


def test_the_control_without_random_numbers_differs(
    forks: Forks, whole: Callable[..., Run], tmp_path: Path
) -> None:
    """The comparison can fail: a checkpoint whose random state is another one ends elsewhere."""
    out, mark = tmp_path / "run", tmp_path / "mark"
    child = forks.start(
        *training("gan"),
        "--out",
        out,
        log=tmp_path / "log",
        no_curves=[],
        in_save=["renamed", 2, str(mark), 60],
    )
    wait_until(mark.exists, "the second save")
    kill_9(child)
    newest = Run(out).checkpoints[-1]
    state = checkpoint.load(newest)
    state["rng"]["cpu"] = torch.Generator().manual_seed(1).get_state()
    checkpoint.save(newest, state)
    with pytest.raises(AssertionError):
        assert_goes_on(out, whole("gan"), forks)
