"""Links in a run folder: no file outside the folder is written or deleted through a link."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers.in_process_cli import assert_error, run

from ganctl.runs.folder import Run

ENTRIES = [
    "samples", "checkpoints", "tensorboard", "log.txt", "losses.jsonl", "timing.jsonl", "metrics.jsonl", "config.toml",
    "status.json", "real.png", "curves.png", ".lock", "wandb-run-id.txt",
]  # fmt: skip


@pytest.fixture
def copy(tiny_run: Run, tmp_path: Path) -> Run:
    return Run(shutil.copytree(tiny_run.path, tmp_path / "runs" / "run"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("entry", ENTRIES)
def test_link_out_of_the_run_folder_is_refused(
    entry: str, copy: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere, link = tmp_path / "elsewhere", copy.path / entry
    elsewhere.mkdir()
    if link.exists():
        shutil.move(link, elsewhere / entry)
    (copy.path / entry).symlink_to(elsewhere / entry)
    if entry == "samples":  # from a later step, so --resume would delete it
        (elsewhere / entry / "epoch-0099-step-00099999.png").write_text("precious")
    before = contents(tmp_path)
    assert_error(run(capsys, "train", "--resume", copy.path, "--epochs", 3), 2, link, "link", "outside")
    assert contents(tmp_path) == before


def test_run_folder_and_its_parent_can_be_links(
    copy: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "linked-runs").symlink_to(copy.path.parent)
    (tmp_path / "linked-run").symlink_to(copy.path)
    (copy.path / "newest.pt").symlink_to(copy.checkpoints[-1])  # a link to a file within the folder
    assert run(capsys, "train", "--resume", tmp_path / "linked-runs" / "run", "--epochs", 3, "-q").status == 0
    assert run(capsys, "train", "--resume", tmp_path / "linked-run", "--epochs", 4, "-q").status == 0
    assert len(Run(copy.path).losses) > 2


def test_linked_sample_and_checkpoint_are_removed_without_their_targets(
    copy: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "precious.png"
    target.write_text("precious")
    (copy.samples_dir / "epoch-0099-step-00099999.png").symlink_to(target)
    assert run(capsys, "train", "--resume", copy.path, "--epochs", 3, "-q").status == 0
    assert target.read_text() == "precious"
