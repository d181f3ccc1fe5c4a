"""Ctrl-C and SIGTERM at any moment: the state is saved, the exit status says why, and going on is exact."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.fork_server import Child, Forks, wait_until
from helpers.train_commands import assert_goes_on, training

from ganctl.runs import checkpoint
from ganctl.runs.folder import Run

STATUS = {signal.SIGTERM: 143, signal.SIGINT: 130}
AT_RANDOM = 12  # of them half while the data is decoded, the networks built and the folder made


def assert_left_in_order(out: Path, expected: Run, forks: Forks) -> None:
    """What there is of the run is whole and goes on; where nothing was begun, nothing is left."""
    assert not list(out.rglob("*.tmp"))
    for path in Run(out).checkpoints:
        checkpoint.load(path)
    if Run(out).config_file.exists():
        assert_goes_on(out, expected, forks)
    else:
        assert not out.exists()


@pytest.mark.parametrize("seed", range(AT_RANDOM))
def test_sigterm_at_a_random_moment(
    seed: int, forks: Forks, whole: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    model = ("gan", "dcgan")[seed % 2]
    expected, out = whole(model), tmp_path / "run"
    run = Run(out)
    if seed % 4 < 2:  # nothing is decoded yet, and the signal comes before the training has begun
        monkeypatch.setenv("GANCTL_CACHE", str(tmp_path / "cache"))
        child = forks.start(*training(model), "--out", out, log=tmp_path / "log", no_curves=[])
        steps: list[Callable[[], bool]] = [
            lambda: child.catches(signal.SIGTERM),
            lambda: (tmp_path / "cache" / "datasets").exists(),  # about to decode
            lambda: any((tmp_path / "cache").rglob("*.json")),  # decoded
            run.log_file.exists,  # the folder is made
        ]
        moment = chance.choice(steps)
    else:
        child = forks.start(*training(model), "--out", out, log=tmp_path / "log", no_curves=[])
        n = chance.randrange(10)
        moment = lambda: run.config_file.exists() and len(run.losses) + len(run.samples) >= n  # noqa: E731
    wait_until(lambda: moment() or child.poll() is not None, "that moment")
    delay = chance.uniform(0, 0.05)
    time.sleep(delay)
    begun = bool(run.samples)
    child.send(signal.SIGTERM)
    status = child.wait()
    if status == 0:
        assert len(run.checkpoints) == 4  # it was done already
    else:
        assert status == 143, f"seed {seed}, after {delay:.4f} s: {child.output}"
        assert "Traceback" not in child.output
        if begun:
            stopped = re.search(r"Stopped and saved at step (\d+)", child.output)
            assert stopped, f"seed {seed}, after {delay:.4f} s: {child.output}"
            assert run.checkpoint_file(int(stopped[1])) == run.checkpoints[-1]
    assert_left_in_order(out, expected, forks)


@pytest.mark.parametrize("signum", STATUS)
@pytest.mark.parametrize("stage", ["half written", "synced", "renamed"])
def test_signal_during_a_slow_save(
    stage: str, signum: signal.Signals, forks: Forks, whole: Callable[..., Run], tmp_path: Path
) -> None:
    """The save under way is finished and is the last."""
    out, mark = tmp_path / "run", tmp_path / "mark"
    child = forks.start(
        *(*training("gan"), "--out", out),
        log=tmp_path / "log",
        no_curves=[],
        in_save=[stage, 2, str(mark), 0.5],
    )
    wait_until(mark.exists, f"the second save to be {stage}")
    child.send(signum)
    assert child.wait() == STATUS[signum], child.output
    assert "Stopping: saving" in child.output
    assert [path.name for path in Run(out).checkpoints] == ["step-00000007.pt", "step-00000013.pt"]
    assert_left_in_order(out, whole("gan"), forks)


@pytest.mark.parametrize("signum", STATUS)
@pytest.mark.parametrize("nth", [1, 3])  # before the first step, and within the training
def test_signal_during_a_slow_sampling_pass(
    nth: int, signum: signal.Signals, forks: Forks, whole: Callable[..., Run], tmp_path: Path
) -> None:
    out, mark = tmp_path / "run", tmp_path / "mark"
    child = forks.start(
        *(*training("gan"), "--out", out),
        log=tmp_path / "log",
        no_curves=[],
        in_sampling=[nth, str(mark), 0.5],
    )
    wait_until(mark.exists, "the sampling pass")
    child.send(signum)
    assert child.wait() == STATUS[signum], child.output
    newest = {1: "step-00000000.pt", 3: "step-00000013.pt"}[nth]
    assert Run(out).checkpoints[-1].name == newest
    assert_left_in_order(out, whole("gan"), forks)


@pytest.mark.parametrize("signum", STATUS)
def test_signal_while_the_folder_is_made(
    signum: signal.Signals, forks: Forks, whole: Callable[..., Run], tmp_path: Path
) -> None:
    out, mark = tmp_path / "run", tmp_path / "mark"
    child = forks.start(
        *(*training("gan"), "--out", out),
        log=tmp_path / "log",
        no_curves=[],
        in_making_the_folder=[str(mark), 0.3],
    )
    wait_until(mark.exists, "the folder")
    child.send(signum)
    assert child.wait() == STATUS[signum], child.output
    assert [path.name for path in Run(out).checkpoints] == ["step-00000000.pt"]
    assert_left_in_order(out, whole("gan"), forks)


def test_a_terminal_that_is_closed(forks: Forks, whole: Callable[..., Run], tmp_path: Path) -> None:
    """Nothing can be written to it any more, and what was begun is saved all the same."""
    out, mark = tmp_path / "run", tmp_path / "mark"
    ours, terminal = os.openpty()
    child = forks.start(
        *(*training("gan"), "--out", out),
        log=tmp_path / "log",
        terminal=os.ttyname(terminal),
        no_curves=[],
        in_sampling=[3, str(mark), 0.5],
    )
    wait_until(mark.exists, "the sampling pass")
    os.close(terminal)
    os.close(ours)
    assert child.wait() == 129
    assert Run(out).checkpoints[-1].name == "step-00000013.pt"
    assert "Stopped and saved at step 13" in Run(out).log_file.read_text()
    assert_left_in_order(out, whole("gan"), forks)


@pytest.mark.parametrize("signum", STATUS)
@pytest.mark.parametrize("where", ["save", "sampling"])
def test_a_second_signal_leaves_at_once(
    where: str, signum: signal.Signals, forks: Forks, whole: Callable[..., Run], tmp_path: Path
) -> None:
    """Though a save or a sampling pass of minutes is under way; what was saved before is untouched."""
    out, mark = tmp_path / "run", tmp_path / "mark"
    hook = {
        "save": {"in_save": ["half written", 2, str(mark), 600]},
        "sampling": {"in_sampling": [3, str(mark), 600]},
    }[where]
    child = forks.start(*training("gan"), "--out", out, log=tmp_path / "log", no_curves=[], **hook)
    wait_until(mark.exists, f"the {where}")
    child.send(signum)
    wait_until(lambda: "Once more to leave at once" in child.output, "the answer to the first")
    assert child.poll() is None
    child.send(signum)
    assert child.wait(20) == STATUS[signum], child.output
    assert "Traceback" not in child.output
    # A checkpoint is saved before its samples are drawn.
    saved = {"save": ["step-00000007.pt"], "sampling": ["step-00000007.pt", "step-00000013.pt"]}
    assert [path.name for path in Run(out).checkpoints] == saved[where]
    assert_left_in_order(out, whole("gan"), forks)


def start_command(out: Path, log: Path) -> Child:
    class Command(Child):
        """The command itself, as a user starts it."""

        def __init__(self) -> None:
            with log.open("wb") as stream:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "ganctl", *map(str, training("gan")), "--out", str(out)],
                    stdout=stream,
                    stderr=stream,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                )
            self.pid, self.log, self.status = self.process.pid, log, None

        def poll(self) -> int | None:
            if self.status is None:
                self.status = self.process.poll()
            return self.status

    return Command()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_sigterm_while_the_command_starts(
    seed: int, forks: Forks, whole: Callable[..., Run], tmp_path: Path
) -> None:
    """From the moment that it has a handler, which is before torch is imported."""
    chance = random.Random(seed)
    out = tmp_path / "run"
    child = start_command(out, tmp_path / "log")
    wait_until(lambda: child.catches(signal.SIGTERM), "the handler")
    time.sleep(chance.uniform(0, 1.0))
    child.send(signal.SIGTERM)
    assert child.wait() == 143, child.output
    assert "Traceback" not in child.output
    assert_left_in_order(out, whole("gan"), forks)


def test_before_the_handler_the_system_ends_it(forks: Forks, tmp_path: Path) -> None:
    """Then nothing is there to be saved; a shell calls this 143 too."""
    out = tmp_path / "run"
    child = start_command(out, tmp_path / "log")
    child.send(signal.SIGTERM)
    assert child.wait() in (-signal.SIGTERM, 143)
    assert not out.exists()
