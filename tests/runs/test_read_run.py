"""Test that a run folder is read correctly in every state."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from helpers import fake_runs

from ganctl import GanctlError
from ganctl.runs import read_run
from ganctl.runs import status as run_status
from ganctl.runs.folder import Run


def test_finished_run_is_read(tmp_path: Path) -> None:
    h = read_run.read(fake_runs.make(tmp_path / "a"))
    assert (h.name, h.state, h.note, h.step, h.total, h.epoch) == ("a", "finished", "", 100, 100, 4.0)
    assert [(f.step, f.epoch) for f in h.frames] == [(0, 0), (25, 1), (50, 2), (75, 3), (100, 4)]
    assert (h.seconds, h.images_per_second) == (50.0, 128.0)
    assert h.status.images == 1600
    assert h.status.parameters["D"] == 567


@pytest.mark.parametrize(
    ("status", "state", "note"),
    [
        ({}, "finished", ""),
        ({"state": "stopped"}, "stopped", ""),
        (fake_runs.DIVERGED, "diverged", fake_runs.DIVERGED["error"]["message"]),
        (
            {"state": "failed", "error": {"message": "No space.", "hint": "Free disk space.", "status": 6}},
            "failed",
            "No space.",
        ),
        ({"state": "running"}, "killed", ""),  # no process holds the folder
    ],
)
def test_state_is_read_from_status_json(
    tmp_path: Path, status: dict[str, Any], state: str, note: str
) -> None:
    h = read_run.read(fake_runs.make(tmp_path / "a", status=status))
    assert (h.state, h.note) == (state, note)


def test_log_is_not_read(tmp_path: Path) -> None:
    misleading = "Traceback (most recent call last):\nganctl.errors.GanctlError: Training diverged: x\n"
    h = read_run.read(fake_runs.make(tmp_path / "a", log=misleading))
    assert (h.state, h.total, h.status.images) == ("finished", 100, 1600)


def test_run_folder_created_by_an_earlier_version_is_refused(tmp_path: Path) -> None:
    path = fake_runs.make(tmp_path / "a")
    (path / "status.json").unlink()
    with pytest.raises(GanctlError, match="an earlier version of ganctl created it") as refused:
        read_run.read(path)
    assert "--resume" in refused.value.hint


def test_locked_run_is_running_and_reading_does_not_affect_the_lock(tmp_path: Path) -> None:
    path = fake_runs.make(tmp_path / "a", status={"state": "running"})
    with Run(path).lock():
        assert read_run.read(path).state == "running"
    assert read_run.read(path).state == "killed"
    with Run(path).lock():
        pass


def test_waiting_runs_and_runs_with_missing_or_damaged_files_are_read(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "config.toml").write_text("model = 'gan'\n")
    run_status.write(empty / "status.json", run_status.Status("waiting"))
    h = read_run.read(empty)
    assert (h.state, h.step, h.total, h.frames, h.real, h.seconds) == ("waiting", 0, None, [], None, 0.0)
    assert h.images_per_second is None
    damaged = fake_runs.make(tmp_path / "damaged")
    (damaged / "config.toml").write_text("model = ")
    with (damaged / "losses.jsonl").open("a") as file:
        file.write('{"step": 105, "g_lo')
    h = read_run.read(damaged)
    assert h.config == {}
    assert "is not TOML" in h.note
    assert h.step == 100


def test_total_is_estimated_before_training_has_written_the_total(tmp_path: Path) -> None:
    assert read_run.read(fake_runs.make(tmp_path / "a", {"epochs": 8}, status={"total": None})).total == 200
    assert (
        read_run.read(
            fake_runs.make(tmp_path / "b", {"epochs": "none", "steps": 300}, status={"total": None})
        ).total
        == 300
    )


def test_samples_within_an_epoch_have_a_fractional_epoch(tmp_path: Path) -> None:
    path = fake_runs.make(tmp_path / "a")
    fake_runs.grid(1).save(path / "samples" / "epoch-0002-step-00000040.png")
    (path / "samples" / "mine.png").write_bytes(b"")
    assert [f.epoch for f in read_run.read(path).frames] == [0, 1, 1.6, 2, 3, 4]


def test_missing_values_of_a_column_are_nan(tmp_path: Path) -> None:
    path = fake_runs.make(
        tmp_path / "a", record=lambda s: {"g_loss": "nan"} if s == 10 else {}, steps=(5, 10)
    )
    h = read_run.read(path)
    assert h.column("g_loss")[0] == 1.0
    assert all(map(math.isnan, [h.column("g_loss")[1], *h.column("penalty")]))


def test_find_returns_runs_in_natural_order(tmp_path: Path) -> None:
    for name in ("runs/lr-10", "runs/lr-9", "runs/sweep/a"):
        fake_runs.make(tmp_path / name)
    assert [p.name for p in read_run.find(tmp_path / "runs")] == ["lr-9", "lr-10", "a"]
    assert read_run.find(tmp_path / "runs" / "lr-9") == [tmp_path / "runs" / "lr-9"]
    with pytest.raises(GanctlError, match="contains no run folders"):
        read_run.find(tmp_path / "runs" / "lr-9" / "samples")
    with pytest.raises(GanctlError, match="does not exist"):
        read_run.find(tmp_path / "nowhere")


def test_newest_returns_the_most_recently_modified_run(tmp_path: Path) -> None:
    import os

    for name in ("a", "b"):
        fake_runs.make(tmp_path / name)
    os.utime(tmp_path / "a" / "losses.jsonl", (4e9, 4e9))
    assert read_run.newest(tmp_path).name == "a"
