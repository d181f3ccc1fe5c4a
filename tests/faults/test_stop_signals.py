"""Ctrl-C and SIGTERM at any moment: the run is saved, the exit status shows the signal, and resuming is exact."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.fork_server import Child, ForkServer, wait_until
from helpers.train_commands import assert_resume_matches, train_args

from ganctl.runs import checkpoint
from ganctl.runs import status as run_status
from ganctl.runs.folder import Run

STATUS = {signal.SIGTERM: 143, signal.SIGINT: 130}
RANDOM_MOMENTS = 12  # half of them before the first step


def assert_intact(out: Path, expected: Run, fork_server: ForkServer) -> None:
    """Check that the run in ``out`` resumes exactly, or that no folder exists if training had not begun."""
    assert not list(out.rglob("*.tmp"))
    for path in Run(out).checkpoints:
        checkpoint.load(path)
    if Run(out).config_file.exists():
        assert_resume_matches(out, expected, fork_server)
    else:
        assert not out.exists()


def status_of(run: Run) -> run_status.Status:
    return run_status.read(run.status_file)


def interrupt_paused(child: Child, signum: signal.Signals, mark: Path, place: str) -> None:
    """Send ``signum`` once ``child`` has paused at ``place``, then let it continue."""
    wait_until(mark.exists, place)
    child.send(signum)
    mark.unlink()


@pytest.mark.parametrize("seed", range(RANDOM_MOMENTS))
def test_sigterm_at_random_moment(
    seed: int,
    fork_server: ForkServer,
    uninterrupted: Callable[..., Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = random.Random(seed)
    model = ("gan", "dcgan")[seed % 2]
    expected, out = uninterrupted(model), tmp_path / "run"
    run = Run(out)
    if seed % 4 < 2:  # the dataset cache is empty, so the signal arrives before the first step
        monkeypatch.setenv("GANCTL_CACHE", str(tmp_path / "cache"))
        child = fork_server.start(*train_args(model), "--out", out, log=tmp_path / "log", no_curves=[])
        moments: list[Callable[[], bool]] = [
            lambda: child.catches(signal.SIGTERM),
            lambda: (tmp_path / "cache" / "datasets").exists(),  # before decoding
            lambda: any((tmp_path / "cache").rglob("*.json")),  # after decoding
            run.log_file.exists,  # after the folder is created
        ]
        reached = rng.choice(moments)
    else:
        child = fork_server.start(*train_args(model), "--out", out, log=tmp_path / "log", no_curves=[])
        n = rng.randrange(10)
        reached = lambda: run.config_file.exists() and len(run.losses) + len(run.samples) >= n  # noqa: E731
    wait_until(lambda: reached() or child.poll() is not None, "the chosen moment")
    delay = rng.uniform(0, 0.05)
    time.sleep(delay)
    begun = bool(run.samples)
    child.send(signal.SIGTERM)
    status = child.wait()
    context = f"seed {seed}, after {delay:.4f} s: {child.output}"
    if status in (0, -signal.SIGTERM):  # the command had finished and restored the default handler
        assert len(run.checkpoints) == 5, context
        assert status_of(run).state == "finished", context
    else:
        assert status == 143, context
        assert "Traceback" not in child.output
        if begun:
            assert status_of(run).state == "stopped", context
            assert run.checkpoint_file(status_of(run).step) == run.checkpoints[-1]
    assert_intact(out, expected, fork_server)


@pytest.mark.parametrize("signum", STATUS)
@pytest.mark.parametrize("stage", ["half written", "synced", "renamed"])
def test_signal_during_save_finishes_that_save(
    stage: str,
    signum: signal.Signals,
    fork_server: ForkServer,
    uninterrupted: Callable[..., Run],
    tmp_path: Path,
) -> None:
    """The checkpoint being saved becomes the last checkpoint."""
    out, mark = tmp_path / "run", tmp_path / "mark"
    child = fork_server.start(
        *(*train_args("gan"), "--out", out),
        log=tmp_path / "log",
        no_curves=[],
        pause_in_save=[stage, 2, str(mark)],
    )
    interrupt_paused(child, signum, mark, f"the second save to be {stage}")
    assert child.wait() == STATUS[signum], child.output
    assert "Stopping: saving" in child.output
    assert [path.name for path in Run(out).checkpoints] == ["step-00000006.pt", "step-00000012.pt"]
    assert_intact(out, uninterrupted("gan"), fork_server)


@pytest.mark.parametrize("signum", STATUS)
@pytest.mark.parametrize(("nth", "newest"), [(1, "step-00000000.pt"), (3, "step-00000012.pt")])
def test_signal_during_sampling_saves(
    nth: int,
    newest: str,
    signum: signal.Signals,
    fork_server: ForkServer,
    uninterrupted: Callable[..., Run],
    tmp_path: Path,
) -> None:
    out, mark = tmp_path / "run", tmp_path / "mark"
    child = fork_server.start(
        *(*train_args("gan"), "--out", out),
        log=tmp_path / "log",
        no_curves=[],
        pause_in_sampling=[nth, str(mark)],
    )
    interrupt_paused(child, signum, mark, "the sampling pass")
    assert child.wait() == STATUS[signum], child.output
    assert Run(out).checkpoints[-1].name == newest
    assert_intact(out, uninterrupted("gan"), fork_server)


@pytest.mark.parametrize("signum", STATUS)
def test_signal_during_folder_creation_saves(
    signum: signal.Signals, fork_server: ForkServer, uninterrupted: Callable[..., Run], tmp_path: Path
) -> None:
    out, mark = tmp_path / "run", tmp_path / "mark"
    child = fork_server.start(
        *(*train_args("gan"), "--out", out),
        log=tmp_path / "log",
        no_curves=[],
        pause_in_folder_creation=[str(mark)],
    )
    interrupt_paused(child, signum, mark, "the folder")
    assert child.wait() == STATUS[signum], child.output
    assert [path.name for path in Run(out).checkpoints] == ["step-00000000.pt"]
    assert_intact(out, uninterrupted("gan"), fork_server)


def test_closed_terminal_saves(
    fork_server: ForkServer, uninterrupted: Callable[..., Run], tmp_path: Path
) -> None:
    """The run is saved even though nothing can be printed."""
    out, mark = tmp_path / "run", tmp_path / "mark"
    ours, terminal = os.openpty()
    child = fork_server.start(
        *(*train_args("gan"), "--out", out),
        log=tmp_path / "log",
        terminal=os.ttyname(terminal),
        no_curves=[],
        pause_in_sampling=[3, str(mark)],
    )
    wait_until(mark.exists, "the sampling pass")
    os.close(terminal)
    os.close(ours)
    mark.unlink()
    assert child.wait() == 129
    assert Run(out).checkpoints[-1].name == "step-00000012.pt"
    assert (status_of(Run(out)).state, status_of(Run(out)).step) == ("stopped", 12)
    assert_intact(out, uninterrupted("gan"), fork_server)


@pytest.mark.parametrize("signum", STATUS)
@pytest.mark.parametrize("place", ["save", "sampling"])
def test_second_signal_exits_immediately(
    place: str,
    signum: signal.Signals,
    fork_server: ForkServer,
    uninterrupted: Callable[..., Run],
    tmp_path: Path,
) -> None:
    """The process exits even during a long save or sampling pass. Earlier checkpoints are kept."""
    out, mark = tmp_path / "run", tmp_path / "mark"
    pause = {
        "save": {"pause_in_save": ["half written", 2, str(mark)]},
        "sampling": {"pause_in_sampling": [3, str(mark)]},
    }[place]
    child = fork_server.start(*train_args("gan"), "--out", out, log=tmp_path / "log", no_curves=[], **pause)
    wait_until(mark.exists, f"the {place}")
    child.send(signum)
    wait_until(lambda: "Stopping: saving" in child.output, "the reply to the first signal")
    assert child.poll() is None
    child.send(signum)
    assert child.wait() == STATUS[signum], child.output
    assert mark.exists()  # the pause had not ended
    assert "Traceback" not in child.output
    # A checkpoint is saved before samples are generated at the same step.
    saved = {"save": ["step-00000006.pt"], "sampling": ["step-00000006.pt", "step-00000012.pt"]}
    assert [path.name for path in Run(out).checkpoints] == saved[place]
    assert_intact(out, uninterrupted("gan"), fork_server)


class Command(Child):
    """The command in a new Python process, as started by a user."""

    def __init__(self, out: Path, log: Path) -> None:
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ganctl", *map(str, train_args("gan")), "--out", str(out)],
                stdout=stream,
                stderr=stream,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        self.pid, self.log, self.status = self.process.pid, log, None

    def poll(self) -> int | None:
        if self.status is None:
            self.status = self.process.poll()
        return self.status


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_sigterm_during_startup_exits_with_the_signal_status(
    seed: int, fork_server: ForkServer, uninterrupted: Callable[..., Run], tmp_path: Path
) -> None:
    """The signal handler is installed before torch is imported."""
    rng = random.Random(seed)
    out = tmp_path / "run"
    child = Command(out, tmp_path / "log")
    wait_until(lambda: child.catches(signal.SIGTERM), "the handler")
    time.sleep(rng.uniform(0, 1.0))
    child.send(signal.SIGTERM)
    assert child.wait() == 143, child.output
    assert "Traceback" not in child.output
    assert_intact(out, uninterrupted("gan"), fork_server)


def test_sigterm_before_the_handler_is_installed_ends_the_process(tmp_path: Path) -> None:
    """There is nothing to save yet. A shell also reports exit status 143 in this case."""
    out = tmp_path / "run"
    child = Command(out, tmp_path / "log")
    child.send(signal.SIGTERM)
    assert child.wait() in (-signal.SIGTERM, 143)
    assert not out.exists()
