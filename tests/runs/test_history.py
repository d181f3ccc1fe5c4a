"""What a run folder tells about itself, whatever state it is in."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from helpers import made_up_runs

from ganctl import GanctlError
from ganctl.runs import history
from ganctl.runs.folder import Run

AT = "2026-01-01 10:00:30  "
DIVERGED = "The training diverged: a loss was not finite at step 61."
BROKEN = AT + "Traceback (most recent call last):\n  File x, line 1\n"


def test_a_finished_run(tmp_path: Path) -> None:
    h = history.read(made_up_runs.run(tmp_path / "a"))
    assert (h.name, h.state, h.note, h.step, h.total, h.epoch) == ("a", "finished", "", 100, 100, 4.0)
    assert [(f.step, f.epoch) for f in h.frames] == [(0, 0), (25, 1), (50, 2), (75, 3), (100, 4)]
    assert (h.seconds, h.images_per_second) == (50.0, 128.0)
    assert h.facts["images"] == "1,600"
    assert h.facts["D parameters"] == "567"


@pytest.mark.parametrize(
    ("log", "state", "note"),
    [
        (made_up_runs.DONE, "finished", ""),
        (AT + "runs/x is finished at step 100. To go on, give more --epochs or --steps.\n", "finished", ""),
        (
            AT + "Stopped and saved at step 60. Go on: …\n" + BROKEN + "ganctl.system.signals.Interrupted\n",
            "stopped",
            "",
        ),
        (BROKEN + f"ganctl.errors.GanctlError: {DIVERGED}\nhint\n", "diverged", DIVERGED),
        (BROKEN + "ganctl.errors.GanctlError: No space.\nFree some room\n", "failed", "No space."),
        (BROKEN + "ValueError: of a plugin\n", "failed", "ValueError: of a plugin"),
        ("", "killed", ""),
        (made_up_runs.DONE + made_up_runs.STARTED + made_up_runs.ABOUT, "killed", ""),  # gone on with, and then killed
    ],
)  # fmt: skip
def test_how_it_ended(tmp_path: Path, log: str, state: str, note: str) -> None:
    h = history.read(made_up_runs.run(tmp_path / "a", log=made_up_runs.STARTED + made_up_runs.ABOUT + log))
    assert (h.state, h.note) == (state, note)


def test_one_that_somebody_trains_in_is_running_and_asking_disturbs_nobody(tmp_path: Path) -> None:
    path = made_up_runs.run(tmp_path / "a", log=made_up_runs.STARTED + made_up_runs.ABOUT)
    with Run(path).lock():
        assert history.read(path).state == "running"
    assert history.read(path).state == "killed"
    with Run(path).lock():
        pass


def test_one_that_has_not_begun_and_files_that_are_missing_or_damaged(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "config.toml").write_text("model = 'gan'\n")
    h = history.read(empty)
    assert (h.state, h.step, h.total, h.frames, h.real, h.seconds) == ("waiting", 0, None, [], None, 0.0)
    assert h.images_per_second is None
    damaged = made_up_runs.run(tmp_path / "damaged", log="")
    (damaged / "config.toml").write_text("model = ")
    with (damaged / "metrics.jsonl").open("a") as file:
        file.write('{"step": 105, "g_lo')
    h = history.read(damaged)
    assert h.config == {}
    assert "is not TOML" in h.note
    assert h.step == 100


def test_how_long_it_is_to_be_without_a_log(tmp_path: Path) -> None:
    assert history.read(made_up_runs.run(tmp_path / "a", {"epochs": 8}, log="")).total == 200
    assert (
        history.read(made_up_runs.run(tmp_path / "b", {"epochs": "none", "steps": 300}, log="")).total == 300
    )


def test_a_picture_in_the_midst_of_an_epoch_is_not_at_its_end(tmp_path: Path) -> None:
    path = made_up_runs.run(tmp_path / "a")
    made_up_runs.grid(1).save(path / "samples" / "epoch-0002-step-00000040.png")
    (path / "samples" / "mine.png").write_bytes(b"")
    assert [f.epoch for f in history.read(path).frames] == [0, 1, 1.6, 2, 3, 4]


def test_a_column_has_a_gap_where_a_value_is_missing(tmp_path: Path) -> None:
    path = made_up_runs.run(
        tmp_path / "a", record=lambda s: {"g_loss": "nan"} if s == 10 else {}, steps=(5, 10)
    )
    h = history.read(path)
    assert h.column("g_loss")[0] == 1.0
    assert all(map(math.isnan, [h.column("g_loss")[1], *h.column("penalty")]))


def test_runs_are_found_in_folders_in_natural_order(tmp_path: Path) -> None:
    for name in ("runs/lr-10", "runs/lr-9", "runs/sweep/a"):
        made_up_runs.run(tmp_path / name)
    assert [p.name for p in history.find(tmp_path / "runs")] == ["lr-9", "lr-10", "a"]
    assert history.find(tmp_path / "runs" / "lr-9") == [tmp_path / "runs" / "lr-9"]
    with pytest.raises(GanctlError, match="has no run folders in it"):
        history.find(tmp_path / "runs" / "lr-9" / "samples")
    with pytest.raises(GanctlError, match="does not exist"):
        history.find(tmp_path / "nowhere")


def test_the_newest_run_is_the_one_written_to_last(tmp_path: Path) -> None:
    import os

    for name in ("a", "b"):
        made_up_runs.run(tmp_path / name)
    os.utime(tmp_path / "a" / "metrics.jsonl", (4e9, 4e9))
    assert history.newest(tmp_path).name == "a"
