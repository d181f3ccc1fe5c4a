"""Test the progress of a sweep: rows, speed and remaining time."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.fake_sweeps import fake_sweep

from ganctl.sweeps.progress import Row, read_rows, seconds_left, summarize


def test_remaining_time_is_estimated_from_the_speed_of_runs(tmp_path: Path) -> None:
    sweep = fake_sweep(tmp_path)
    rows = read_rows(sweep)
    # 1000 images at 100 per second, 1500 at this run's speed of 125, and 2 × 2000 at the harmonic mean of all speeds.
    mean = 4 / (1 / 200 + 1 / 200 + 1 / 100 + 1 / 125)
    assert seconds_left(rows) == pytest.approx(1000 / 100 + 1500 / 125 + 4000 / mean)
    assert seconds_left([Row(entry, "waiting") for entry in sweep]) is None
    two = [Row(sweep.entries[2], "running", 0, {"images_per_second": 100.0})] * 2
    assert seconds_left(two) == pytest.approx(20)  # two runs are trained at the same time
    assert seconds_left([*two, Row(sweep.entries[4], "finished", 100)]) == pytest.approx(20)


def test_summary_counts_every_state(tmp_path: Path) -> None:
    sweep = fake_sweep(tmp_path)
    assert summarize([Row(entry, "finished") for entry in sweep]) == "6 of 6 finished"
    rows = [Row(sweep.entries[0], "diverged"), Row(sweep.entries[1], "failed")]
    assert summarize(rows) == "0 of 2 finished, 1 failed, 1 diverged"


def test_ended_runs_are_not_read_again(tmp_path: Path) -> None:
    sweep = fake_sweep(tmp_path)
    known = {row.entry.name: row for row in read_rows(sweep)}
    sweep.entries[0].run.losses_file.unlink()
    sweep.entries[2].run.losses_file.unlink()
    again = read_rows(sweep, known)
    assert again[0] is known["lr=1e-4"]
    assert again[2].step == 50  # read from timing.jsonl
