"""A loss or weight that is not finite stops the run within one logging interval and is never saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.in_process_cli import assert_error, run
from helpers.small_runs import before_step, poison
from helpers.train_commands import train_args
from torch import Tensor

from ganctl import Batch, Loss
from ganctl.plugin import discovery
from ganctl.plugin.registry import component
from ganctl.runs import checkpoint
from ganctl.runs.folder import Run
from ganctl.training.engine import Engine

LOG_EVERY = 7


class Penalized(Loss):
    """D(fake) − D(real) plus a penalty that becomes ``value`` at the ``at``-th D update."""

    def __init__(self, at: int = 16, value: float = float("nan"), reported_only: bool = False) -> None:
        super().__init__()
        self.at, self.value, self.reported_only = at, value, reported_only
        self.register_buffer("count", torch.zeros(()))

    def discriminator_loss(self, D: Any, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        self.count = self.count + 1
        logits = D(real.x, real.y)
        penalty = torch.where(self.count >= self.at, self.value, logits.square().mean())
        loss = D(fake.x, fake.y).mean() - logits.mean()
        return loss if self.reported_only else loss + penalty, {"penalty": penalty}

    def generator_loss(self, D: Any, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return -D(fake.x, fake.y).mean(), {}


@pytest.fixture
def penalized(monkeypatch: pytest.MonkeyPatch) -> str:
    """Register the loss :class:`Penalized` and return its name."""
    item = component(
        "loss", "penalized", Penalized, "A loss for tests.", plugin="test", distribution="test", version="1"
    )
    monkeypatch.setitem(discovery.registry()._tables["loss"], "penalized", [item])
    return "penalized"


def assert_stopped(run_: Run, result: Any, at: int) -> None:
    assert_error(result, 5, "diverged", f"step {at}", "--lr")
    lines = run_.losses
    assert at <= lines[-1]["step"] < at + LOG_EVERY  # within one logging interval
    for path in run_.checkpoints:
        state = checkpoint.load(path)
        assert state["step"] < at
        for part in ("G", "D", "loss"):
            assert all(weight.isfinite().all() for weight in state["engine"][part].values())
        for part in ("g_optimizer", "d_optimizer"):
            for values in state["engine"][part]["state"].values():
                assert all(value.isfinite().all() for value in values.values())
    if run_.checkpoints:
        assert str(run_.checkpoints[-1]) in result.stderr
    assert not list(run_.path.rglob("*.tmp"))


@pytest.mark.parametrize("every", [(), ("--checkpoint-every", 1)], ids=["every sixth step", "every step"])
@pytest.mark.parametrize("network", ["G", "D"])
# The first step of the run, steps at the start, middle and end of a logging interval, and the last step of the run.
@pytest.mark.parametrize("at", [1, 8, 14, 16, 25])
def test_nan_in_a_weight_stops_the_run(
    at: int,
    network: str,
    every: tuple[object, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    poison(monkeypatch, network, at)
    result = run(capsys, *train_args("gan"), *every, "--out", tmp_path / "run")
    assert_stopped(Run(tmp_path / "run"), result, at)


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize("reported_only", ["false", "true"])
@pytest.mark.parametrize("every", [(), ("--checkpoint-every", 1)], ids=["every sixth step", "every step"])
def test_penalty_that_is_not_finite_stops_the_run(
    every: tuple[object, ...],
    reported_only: str,
    value: str,
    penalized: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ("-o", f"loss.value={value}", "-o", f"loss.reported_only={reported_only}")
    result = run(capsys, *train_args("gan"), "--loss", penalized, *options, *every, "--out", tmp_path / "run")
    assert_stopped(Run(tmp_path / "run"), result, at=16)


def test_optimizer_state_that_is_not_finite_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a gradient of 1e30, Adam's second moment is infinite, so one weight never changes again."""

    def overflow(engine: Engine) -> None:
        next(iter(engine.g_optimizer.state.values()))["exp_avg_sq"].view(-1)[0] = float("inf")

    before_step(monkeypatch, 16, overflow)
    result = run(capsys, *train_args("gan"), "--out", tmp_path / "run")
    assert_error(result, 5, "diverged", "step 18", "step-00000012.pt")
    assert [path.name for path in Run(tmp_path / "run").checkpoints] == [
        "step-00000006.pt",
        "step-00000012.pt",
    ]
