from __future__ import annotations

import math
from pathlib import Path

import pytest

import ganctl
from ganctl import GanctlError
from ganctl.runs import checkpoint
from ganctl.training.schedules import parse, value_at


def at(text: str, step: float, *, base: float = 1.0, total: float = 100) -> float:
    return value_at(parse(text, per_step=1), base, step, total)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("constant", {0: 1, 50: 1, 100: 1}),
        ("linear 0", {0: 1, 25: 0.75, 100: 0}),
        ("linear 3 over 10", {0: 1, 5: 2, 10: 3, 99: 3}),
        ("cosine 0", {0: 1, 25: (1 + math.cos(math.pi / 4)) / 2, 50: 0.5, 100: 0}),
        ("warmup 10", {0: 0, 5: 0.5, 10: 1, 90: 1}),
        ("warmup 10, linear 0", {5: 0.5, 10: 1, 55: 0.5, 100: 0}),
        ("constant over 40, linear 0", {39: 1, 40: 1, 70: 0.5, 100: 0}),
        ("linear 1e-2 over 0.01kimg", {10: 1e-2, 5: 0.505}),
    ],
)
def test_values(text: str, values: dict[int, float]) -> None:
    for step, value in values.items():
        assert at(text, step) == pytest.approx(value), step


def test_lengths_are_in_steps_or_kimg() -> None:
    assert parse("linear 0 over 10", per_step=64)[0].length == 640
    assert parse("linear 0 over 10kimg", per_step=64)[0].length == 10_000


@pytest.mark.parametrize(
    "text", ["", "linear", "down 0", "linear 0, cosine 1", "warmup", "linear 0 over", "linear x"]
)
def test_error_for_an_invalid_schedule_has_a_hint(text: str) -> None:
    with pytest.raises(GanctlError, match="is not a schedule") as caught:
        parse(text, per_step=1)
    assert caught.value.hint


def train(out: Path, **settings: object) -> ganctl.Run:
    small = {
        "generator": {"hidden": "8"},
        "discriminator": {"hidden": "8"},
        "data": {"name": "glyphs", "n": 64},
    }
    return ganctl.train("gan", out=out, batch_size=16, log_every=1, quiet=True, **{**small, **settings})  # type: ignore[arg-type]


def test_run_follows_its_schedules_also_after_resuming(tmp_path: Path) -> None:
    schedules = {"lr": "linear 0", "ema": "linear 500 over 4"}
    whole = train(tmp_path / "whole", steps=8, schedules=schedules, ema=100.0)
    state = checkpoint.load(whole.checkpoints[-1])["engine"]
    assert state["g_optimizer"]["param_groups"][0]["lr"] == pytest.approx(2e-4 / 8)
    assert whole.config["schedules"] == {
        "g_optimizer.lr": "linear 0",
        "d_optimizer.lr": "linear 0",
        "ema": "linear 500 over 4",
    }

    again = ganctl.train(config=whole.config_file, out=tmp_path / "again", checkpoint_every=3, quiet=True)
    for path in again.checkpoints[1:]:
        path.unlink()
    ganctl.train(resume_from=again.path, quiet=True)
    assert again.losses_file.read_bytes() == whole.losses_file.read_bytes()


def test_unknown_target_is_named(tmp_path: Path) -> None:
    with pytest.raises(GanctlError, match=r"nothing to schedule called 'loss\.gama'"):
        train(tmp_path / "run", steps=1, schedules={"loss.gama": "linear 0"})
    with pytest.raises(GanctlError, match="no average"):
        train(tmp_path / "run2", steps=1, schedules={"ema": "linear 0"})
    assert not (tmp_path / "run").exists()
