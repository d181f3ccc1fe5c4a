"""Test that the cadence of log lines, sample grids and checkpoints depends only on the length in steps."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from ganctl.config.resolve import resolve
from ganctl.config.settings import Config
from ganctl.plugin import discovery
from ganctl.training import cadence
from ganctl.training.cadence import Cadence


@pytest.fixture(scope="module")
def config() -> Config:
    return resolve(discovery.registry(), {"model": "gan", "data": "glyphs"}).config


def steps_due(cadence: Cadence, total: int) -> list[int]:
    return [step for step in range(1, total + 1) if cadence.due(step)]


@pytest.mark.parametrize("total", [50, 79, 99, 100, 149, 150, 313, 1000, 4690, 9380, 100_000, 123_457])
def test_run_has_50_to_100_log_lines_and_about_50_sample_grids(config: Config, total: int) -> None:
    assert 50 <= len(steps_due(cadence.log_lines(config, total), total)) <= 100
    assert 25 <= len(steps_due(cadence.sample_grids(config, total), total)) <= 70


@pytest.mark.parametrize("total", [1, 20, 47, 79, 1000, 9380, 123_457])
def test_each_checkpoint_has_a_sample_grid(config: Config, total: int) -> None:
    saved = steps_due(cadence.checkpoints(config, total), total)
    assert set(saved) <= set(steps_due(cadence.sample_grids(config, total), total))
    assert len(saved) <= 10


def test_run_with_ten_images_does_not_save_a_checkpoint_at_every_step(config: Config) -> None:
    assert steps_due(cadence.checkpoints(config, 20), 20) == [5, 10, 15, 20]


@pytest.mark.parametrize("total", [1_560_000, None])
def test_long_run_begins_with_early_lines_and_grids(config: Config, total: int | None) -> None:
    for kind in (cadence.log_lines, cadence.sample_grids):
        assert {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000} <= set(steps_due(kind(config, total), 1000))


def test_intervals_grow_up_to_a_limit_if_the_run_length_is_unknown(config: Config) -> None:
    grids = cadence.sample_grids(config, None)
    assert steps_due(grids, 40) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 40]
    assert len(steps_due(grids, 10_000)) == 37
    assert not grids.due(105_000)
    assert grids.due(110_000)
    lines = steps_due(cadence.log_lines(config, None), 100_000)
    assert lines[:14] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30]
    assert max(b - a for a, b in pairwise(lines)) == cadence.LONGEST_LOG_INTERVAL
    saved = steps_due(cadence.checkpoints(config, None), 100_000)
    assert saved[:8] == [2, 4, 6, 8, 20, 40, 60, 80]
    assert set(saved) <= set(steps_due(grids, 100_000))


@pytest.mark.parametrize("total", [300, 40_000, None])
def test_options_override_the_cadence(config: Config, total: int | None) -> None:
    given = replace(config, log_every=7, sample_every=11, checkpoint_every=13)
    assert steps_due(cadence.log_lines(given, total), 30) == [7, 14, 21, 28]
    assert steps_due(cadence.sample_grids(given, total), 30) == [11, 22]
    assert steps_due(cadence.checkpoints(given, total), 30) == [13, 26]


@pytest.mark.parametrize("total", [1, 79, 1000, 123_457, None])
def test_recorder_can_store_the_longest_logging_interval(config: Config, total: int | None) -> None:
    lines = cadence.log_lines(config, total)
    due = [0, *steps_due(lines, total or 30_000)]
    assert max(b - a for a, b in pairwise(due)) <= lines.longest


def test_description_contains_the_intervals_in_steps(config: Config) -> None:
    text = cadence.describe(config, 1000)
    assert text.startswith("A log line every 20 steps, a sample grid every 20 steps")
    assert text.endswith("a checkpoint every 100 steps")
    assert "a sample grid at steps 1, 10, 20, 30 …" in cadence.describe(config, None)
