"""Test that a step's time is estimated from a constant cost and a cost per image, without affecting training."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch
from helpers.fake_clock import FakeClock
from torch import Tensor, nn

from ganctl.training import step_time_estimate


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(time, "perf_counter", clock)
    return clock


def network(clock: FakeClock, constant: float, per_image: float) -> tuple[nn.Module, Callable[[int], Tensor]]:
    module = nn.Sequential(nn.Flatten(), nn.Dropout())

    def forward(n: int) -> Tensor:
        assert not module.training
        clock.now += constant + per_image * n
        return module(torch.zeros(n, 1, 2, 2))

    return module, forward


@pytest.mark.parametrize(("constant", "per_image"), [(0.01, 0.0), (0.0, 0.5), (0.02, 0.1)])
@pytest.mark.parametrize("batch_size", [2, 6, 64])
def test_estimate_includes_a_constant_cost_and_a_cost_per_image(
    clock: FakeClock, constant: float, per_image: float, batch_size: int
) -> None:
    module, forward = network(clock, constant, per_image)
    seconds = step_time_estimate._seconds(module, forward, batch_size)
    assert seconds == pytest.approx(constant + per_image * batch_size)
    assert module.training


def test_estimate_ignores_a_single_slow_pass(clock: FakeClock) -> None:
    module, forward = network(clock, 0.01, 0.0)
    calls = 0

    def interrupted(n: int) -> Tensor:
        nonlocal calls
        calls += 1
        clock.now += 5.0 * (calls % 3 == 0)  # simulates a pass during which another program used the CPU
        return forward(n)

    assert step_time_estimate._seconds(module, interrupted, 64) == pytest.approx(0.01)
