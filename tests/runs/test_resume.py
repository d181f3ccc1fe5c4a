"""Test which files in a run folder are treated as training files on resume."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ganctl.plugin import discovery
from ganctl.runs import read_run, resume
from ganctl.runs.folder import Run


@pytest.fixture
def run(tiny_run: Run, tmp_path: Path) -> Run:
    """A finished run whose folder also contains copies of files made by a user."""
    copy = Run(shutil.copytree(tiny_run.path, tmp_path / "run"))
    first = copy.checkpoints[0]
    for name in (
        "step-best.pt",
        f"{first.stem}-good.pt",
        f"{first.stem}.pt.bak",
        "step-²²²²²²²².pt",
        "step-9.pt",
    ):
        shutil.copyfile(first, copy.checkpoints_dir / name)
    for name in ("epoch-best.png", "epoch-0001-step-00000099 (copy).png"):
        shutil.copyfile(copy.samples[0], copy.samples_dir / name)
    (copy.path / ".notes.tmp").touch()
    (copy.checkpoints_dir / "step-00000098.pt").symlink_to("nowhere.pt")
    (copy.samples_dir / "nowhere.png").symlink_to("nowhere")
    return copy


def test_copies_of_checkpoints_are_not_resumed(run: Run) -> None:
    newest = run.checkpoints[-1]
    found = resume.find(run.path, discovery.registry(), {}, lambda text: None)
    assert found.state
    assert found.state["step"] == int(newest.stem.removeprefix("step-"))


def test_files_that_training_did_not_write_are_never_deleted(
    run: Run, run_cli: Callable[..., tuple[int, str]]
) -> None:
    temporary = run.checkpoints_dir / ".ganctl-0123456789abcdef.tmp"
    temporary.touch()
    for name in ("step-00000000.pt", "step-00000001.pt"):
        shutil.copyfile(run.checkpoints[0], run.checkpoints_dir / name)
    own = {*run.checkpoints, *run.samples, temporary}
    before = {path for path in run.path.rglob("*") if path not in own}
    status, errors = run_cli("train", "--resume", run.path, "--epochs", 3, "--keep", 1, "--quiet")
    assert status == 0, errors
    assert before <= set(run.path.rglob("*"))
    assert not temporary.exists()
    assert len(run.checkpoints) == 1


def test_broken_links_and_disappearing_folders_are_ignored(
    run: Run, tmp_path: Path, run_cli: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (run.samples_dir / "epoch-0009-step-00000999.png").symlink_to("nowhere.png")
    (tmp_path / "²-other").mkdir()
    (tmp_path / "²-other" / "config.toml").symlink_to("nowhere")
    assert run_cli("watch", run.path, "--once") == (0, "")
    assert run_cli("watch", tmp_path, "--once") == (0, "")
    shutil.copytree(run.path, tmp_path / "²", symlinks=True)
    assert run_cli("report", tmp_path, "--out", tmp_path / "report.html")[0] == 0
    shutil.rmtree(run.samples_dir)
    monkeypatch.setattr(
        Path, "is_dir", lambda self: True
    )  # simulates a folder that is removed after the check
    monkeypatch.setattr(Path, "exists", lambda self: True)
    run.losses_file.unlink()
    assert run.samples == []
    assert run.losses == []
    assert read_run._last_modified(tmp_path / "vanished") == 0.0
