"""Test runs with a time limit, which end in the same state as other runs and are resumed exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.bit_identical import assert_same_state
from helpers.small_runs import before_step, train

import ganctl
from ganctl import USAGE, GanctlError
from ganctl.reports import watch
from ganctl.runs import checkpoint, read_run
from ganctl.runs import status as run_status
from ganctl.runs.folder import Run
from ganctl.training.loss_log import RunLog


class Clock:
    """A training clock that advances by 10 seconds per step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._before: dict[int, float] = {}
        monkeypatch.setattr(RunLog, "seconds", property(lambda log: 10.0 * log._t.step))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def timed(out: Path, **settings: Any) -> Run:
    return train("gan", out, **{"epochs": None, **settings})


def weights(run: Run) -> dict[str, Any]:
    state = checkpoint.load(run.checkpoints[-1])
    return {name: state[name] for name in ("step", "engine", "rng", "recorder")}


def test_run_ends_when_its_time_is_up(tmp_path: Path, clock: Clock) -> None:
    run = timed(tmp_path / "run", minutes=2, log_every=None)
    status = run_status.read(run.status_file)
    assert (status.state, status.step, status.total, status.minutes) == ("finished", 12, None, 2.0)
    assert status.ended_by == "minutes"
    assert [path.name for path in run.checkpoints][-1] == "step-00000012.pt"
    assert run.samples[-1].name.endswith("step-00000012.png")
    assert run.losses[-1]["step"] == 12
    assert "Finished: 12 steps in" in run.log_file.read_text()
    assert "(--minutes 2)" in run.log_file.read_text()


def test_run_limited_by_time_has_the_same_weights_as_a_run_limited_by_steps(
    tmp_path: Path, clock: Clock
) -> None:
    by_time, by_steps = timed(tmp_path / "time", minutes=2), timed(tmp_path / "steps", steps=12)
    assert_same_state(weights(by_steps), weights(by_time))


@pytest.mark.parametrize("longer", [{"minutes": 4}, {"steps": 24}, {"steps": 24, "minutes": 100}])
@pytest.mark.parametrize("cadence", [{}, {"log_every": None, "sample_every": None, "checkpoint_every": None}])
def test_run_that_reached_its_time_limit_is_resumed_exactly(
    longer: dict[str, Any], cadence: dict[str, Any], tmp_path: Path, clock: Clock
) -> None:
    whole = timed(tmp_path / "whole", **{**longer, **cadence})
    part = timed(tmp_path / "part", minutes=2, **cadence)
    again = ganctl.train(resume_from=part.path, quiet=True)
    assert run_status.read(again.status_file).step == 12  # the run was already finished
    ganctl.train(resume_from=part.path, quiet=True, **longer)
    assert_same_state(weights(whole), weights(part))
    if (
        longer == {"minutes": 4} or not cadence
    ):  # otherwise, the cadence of the first half depends on a different length
        assert whole.losses_file.read_bytes() == part.losses_file.read_bytes()


def test_time_before_resuming_counts_toward_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = timed(tmp_path / "run", steps=2, log_every=1)
    state = checkpoint.load(run.checkpoint_file(2))
    assert state["seconds"] > 0
    checkpoint.save(run.checkpoint_file(2), {**state, "seconds": 119.9999})
    ganctl.train(resume_from=run.path, minutes=2, quiet=True)
    assert run_status.read(run.status_file).step == 3
    assert json.loads(run.timing_file.read_text().splitlines()[-1])["seconds"] >= 120


def test_checkpoint_includes_the_time_since_the_last_line(tmp_path: Path) -> None:
    run = timed(tmp_path / "run", steps=6, log_every=1000)
    assert checkpoint.load(run.checkpoint_file(6))["seconds"] > 0


def test_run_ends_at_the_first_limit_of_minutes_and_steps(tmp_path: Path, clock: Clock) -> None:
    slow = timed(tmp_path / "slow", steps=100, minutes=1)
    fast = timed(tmp_path / "fast", steps=3, minutes=1)
    for run, step, limit in ((slow, 6, "minutes"), (fast, 3, "steps")):
        status = run_status.read(run.status_file)
        assert (status.state, status.step, status.ended_by) == ("finished", step, limit)


def test_schedule_over_the_whole_run_needs_a_length_in_steps(tmp_path: Path, clock: Clock) -> None:
    schedules = {"g_optimizer.lr": "linear 0"}
    with pytest.raises(
        GanctlError, match=r"'linear 0', ends with the run, so it needs a length in steps"
    ) as caught:
        timed(tmp_path / "run", minutes=1, schedules=schedules)
    assert caught.value.status == USAGE
    assert "linear 0 over 10000" in caught.value.hint
    assert not (tmp_path / "run").exists()
    timed(tmp_path / "both", minutes=1, steps=100, schedules=schedules)
    timed(
        tmp_path / "own",
        minutes=1,
        schedules={"lr": "constant over 3, linear 0 over 5", "d_optimizer.lr": "constant"},
    )


@pytest.mark.parametrize("minutes", [0, -1, "nan", "inf", "soon"])
def test_invalid_minutes_are_refused(minutes: Any, tmp_path: Path) -> None:
    with pytest.raises(GanctlError, match="minutes is"):
        timed(tmp_path / "run", minutes=minutes)


def test_later_length_replaces_an_earlier_length(tmp_path: Path, clock: Clock) -> None:
    run = timed(tmp_path / "run", minutes=1)
    assert (run.config["minutes"], run.config["epochs"], run.config["steps"]) == (1.0, "none", "none")
    ganctl.train(resume_from=run.path, epochs=2, quiet=True)
    assert (run.config["minutes"], run.config["epochs"]) == ("none", 2)


def test_watch_shows_the_progress_by_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    seen: list[tuple[str, float | None, float | None]] = []

    def look(engine: object) -> None:
        h = read_run.read(tmp_path / "run")
        seen.append((watch.status_line(h), h.share, watch.seconds_left(h)))

    before_step(monkeypatch, 9, look)
    timed(tmp_path / "run", minutes=2, log_every=1)
    line, share, left = seen[0]
    assert "of 2:00" in line
    assert " left" in line
    assert share is not None
    assert 0 < share < 1
    assert left is not None
    assert left <= 120
