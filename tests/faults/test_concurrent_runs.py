"""Many at once: every start has a folder of its own, and a folder has one training."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from helpers.fork_server import Forks, wait_until
from helpers.in_process_cli import assert_clear, run
from helpers.train_commands import SMALL, training

from ganctl.runs import checkpoint
from ganctl.runs.folder import Run

STARTS = 16
SHORT = ("train", "--model", "gan", *SMALL["gan"], "--data", "glyphs", "-o", "data.n=100", "--batch-size", 16)


@pytest.mark.slow
def test_sixteen_starts_make_sixteen_folders(forks: Forks, tmp_path: Path) -> None:
    runs, soon = tmp_path / "runs", time.time() + 0.3
    children = [
        forks.start(
            *(*SHORT, "--steps", 1, "--runs", runs), log=tmp_path / f"{i}.log", start_at=[soon], no_curves=[]
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
def test_two_into_one_folder(attempt: int, forks: Forks, tmp_path: Path) -> None:
    out, soon = tmp_path / "run", time.time() + 0.1
    children = [
        forks.start(
            *SHORT, "--steps", 1, "--out", out, log=tmp_path / f"{i}.log", start_at=[soon], no_curves=[]
        )
        for i in range(2)
    ]
    statuses = [child.wait() for child in children]
    assert sorted(statuses) == [0, 2], [child.output for child in children]
    loser = children[statuses.index(2)]
    assert f"error: {out} already exists and is not empty." in loser.output
    assert "Traceback" not in loser.output
    assert len(Run(out).checkpoints) == 1


def test_eight_at_the_same_instant(forks: Forks, tmp_path: Path) -> None:
    """Nothing but the making of the folder, eight times over, five times."""
    for round_ in range(5):
        out, soon = tmp_path / f"{round_}", time.time() + 0.03
        children = [
            forks.start(log=tmp_path / f"{round_}-{i}.log", only_make=[str(out), soon]) for i in range(8)
        ]
        assert sorted(child.wait() for child in children) == [0] + [2] * 7


def test_a_run_in_use_is_left_alone(forks: Forks, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, mark = tmp_path / "run", tmp_path / "mark"
    child = forks.start(
        *(*training("gan"), "--out", out), log=tmp_path / "log", no_curves=[], in_sampling=[3, str(mark), 600]
    )
    wait_until(mark.exists, "the training")
    before = {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    assert_clear(run(capsys, "train", "--resume", out), 1, "Another process is training in", out)
    newest = Run(out).checkpoints[-1]
    assert_clear(run(capsys, "train", "--resume", newest), 1, "Another process is training in", out)
    assert_clear(
        run(capsys, *training("gan"), "--out", out), 2, "already exists and is not empty", "--resume"
    )
    assert (
        run(capsys, "sample", "--ckpt", out, "--n", 4, "--out", tmp_path / "x.png").status == 0
    )  # reading is free
    assert {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()} == before
    child.send(9)
    assert child.wait() == -9
    # The lock went with the process.
    assert run(capsys, "train", "--resume", out).status == 0
