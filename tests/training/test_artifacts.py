"""Test that samples, curves and metrics never end or change a run, and that missing samples are drawn on resume."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers.bit_identical import assert_same_run
from helpers.small_runs import before_step, train

import ganctl
from ganctl.runs.folder import Run


def test_error_while_drawing_causes_only_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("no font cache")

    monkeypatch.setattr("ganctl.rendering.curves.draw", broken)
    monkeypatch.setattr(
        "ganctl.training.artifacts.SECONDS_BETWEEN_CURVES", 0.0
    )  # so that several attempts are made
    run = ganctl.train("gan", {"name": "glyphs", "n": 64}, out=tmp_path / "run", epochs=3, batch_size=16)
    assert run.checkpoints
    warnings = [line for line in capsys.readouterr().err.splitlines() if "no font cache" in line]
    assert warnings == ["warning: curves.png could not be drawn (no font cache); training continues."]


def test_removed_folders_are_recreated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train("gan", tmp_path / "whole")

    def remove(engine: object) -> None:
        for name in ("samples", "checkpoints"):
            shutil.rmtree(tmp_path / "run" / name)

    before_step(monkeypatch, 20, remove)
    run = train("gan", tmp_path / "run")
    assert [path.name for path in run.checkpoints] == ["step-00000024.pt", "step-00000025.pt"]
    assert run.samples[-1].read_bytes() == whole.samples[-1].read_bytes()
    assert "was removed during training; it was recreated." in run.log_file.read_text()


def test_resuming_draws_samples_missing_from_a_killed_session(tmp_path: Path) -> None:
    whole = train("gan", tmp_path / "whole")
    killed = Run(shutil.copytree(whole.path, tmp_path / "killed"))
    for path in killed.checkpoints[2:]:
        path.unlink()
    for path in killed.samples:
        if int(path.stem[-8:]) >= 12:  # samples of the second checkpoint and all later samples
            path.unlink()
    ganctl.train(resume_from=killed.path, quiet=True)
    assert_same_run(whole, killed)
