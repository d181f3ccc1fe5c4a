"""Processes that start at the same time: each gets its own run folder, and only one process trains in a folder."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from helpers.fork_server import ForkServer, wait_until
from helpers.in_process_cli import assert_error, run
from helpers.train_commands import SMALL, train_args

from ganctl.runs import checkpoint
from ganctl.runs.folder import Run

STARTS = 16
SHORT = ("train", "--model", "gan", *SMALL["gan"], "--data", "glyphs", "-o", "data.n=100", "--batch-size", 16)


@pytest.mark.slow
def test_sixteen_simultaneous_runs_create_sixteen_folders(fork_server: ForkServer, tmp_path: Path) -> None:
    runs, moment = tmp_path / "runs", time.time() + 0.3
    children = [
        fork_server.start(
            *(*SHORT, "--steps", 1, "--runs", runs),
            log=tmp_path / f"{i}.log",
            start_at=[moment],
            no_curves=[],
        )
        for i in range(STARTS)
    ]
    assert [child.wait() for child in children] == [0] * STARTS, children[0].output
    folders = sorted(path.name for path in runs.iterdir() if path.is_dir())
    assert folders == [f"{number:05d}-gan-glyphs" for number in range(1, STARTS + 1)]
    named = {re.search(r"runs/(\d{5})", child.output)[1] for child in children}  # type: ignore[index]
    assert len(named) == STARTS
    for folder in folders:
        assert checkpoint.load(Run(runs / folder).checkpoints[-1])["step"] == 1


@pytest.mark.parametrize("attempt", range(4))
def test_only_one_of_two_processes_gets_the_folder(
    attempt: int, fork_server: ForkServer, tmp_path: Path
) -> None:
    out, moment = tmp_path / "run", time.time() + 0.1
    children = [
        fork_server.start(
            *SHORT, "--steps", 1, "--out", out, log=tmp_path / f"{i}.log", start_at=[moment], no_curves=[]
        )
        for i in range(2)
    ]
    statuses = [child.wait() for child in children]
    assert sorted(statuses) == [0, 2], [child.output for child in children]
    refused = children[statuses.index(2)]
    assert f"error: {out} already exists and is not empty." in refused.output
    assert "Traceback" not in refused.output
    assert len(Run(out).checkpoints) == 1


def test_only_one_of_eight_processes_creates_the_folder(fork_server: ForkServer, tmp_path: Path) -> None:
    """Repeat five times with eight processes that create the folder and do not train."""
    for round_ in range(5):
        out, moment = tmp_path / f"{round_}", time.time() + 0.03
        children = [
            fork_server.start(log=tmp_path / f"{round_}-{i}.log", only_create_folder=[str(out), moment])
            for i in range(8)
        ]
        assert sorted(child.wait() for child in children) == [0] + [2] * 7


def test_run_in_use_is_not_changed(
    fork_server: ForkServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, mark = tmp_path / "run", tmp_path / "mark"
    child = fork_server.start(
        *(*train_args("gan"), "--out", out),
        log=tmp_path / "log",
        no_curves=[],
        pause_in_sampling=[3, str(mark)],
    )
    wait_until(mark.exists, "the sampling pass")
    before = {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    assert_error(run(capsys, "train", "--resume", out), 1, "Another process is training in", out)
    newest = Run(out).checkpoints[-1]
    assert_error(run(capsys, "train", "--resume", newest), 1, "Another process is training in", out)
    assert_error(
        run(capsys, *train_args("gan"), "--out", out), 2, "already exists and is not empty", "--resume"
    )
    # Other processes can still read the folder.
    assert run(capsys, "sample", "--ckpt", out, "--n", 4, "--out", tmp_path / "x.png").status == 0
    assert {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()} == before
    child.send(9)
    assert child.wait() == -9
    # The lock is released when the training process ends.
    assert run(capsys, "train", "--resume", out).status == 0
