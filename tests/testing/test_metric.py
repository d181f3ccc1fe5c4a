"""Test the checks of metrics: built-in metrics pass, and each mistake has a distinct message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from ganctl import testing
from ganctl.plugin import discovery


class Right:
    def __call__(self, fakes: Iterator[Tensor], reals: Any) -> Any:
        return sum(float(batch.double().mean()) for batch in fakes) - float(reals.x.double().mean())


class Several(Right):
    def __call__(self, fakes: Iterator[Tensor], reals: Any) -> Any:
        return {"one": 1.0, "other": super().__call__(fakes, reals)}


class Random(Right):
    def __call__(self, fakes: Iterator[Tensor], reals: Any) -> Any:
        return torch.rand(()).item()


class Words(Right):
    def __call__(self, fakes: Iterator[Tensor], reals: Any) -> Any:
        return "good"


class Infinite(Right):
    def __call__(self, fakes: Iterator[Tensor], reals: Any) -> Any:
        return float("inf")


class Changes(Right):
    def __call__(self, fakes: Iterator[Tensor], reals: Any) -> Any:
        return float(next(fakes).zero_().sum())


class ColorOnly(Right):
    def __call__(self, fakes: Iterator[Tensor], reals: Any) -> Any:
        return float(next(fakes)[:, 2, 0, 0].double().mean())


@pytest.mark.parametrize("name", discovery.registry().names("metric"))
def test_builtin_metrics_pass(name: str) -> None:
    testing.assert_metric(name)


MISTAKES = {
    Random: "has different values for the same images",
    Words: "returns a str instead of a number",
    Infinite: "is inf for 32 random images",
    Changes: "changes the samples",
    ColorOnly: "raises IndexError for images of 1 channel (test_metric.py, line",
}


@pytest.mark.parametrize("metric", [Right, Several])
def test_correct_metric_has_no_failures(metric: Any) -> None:
    assert testing.check_metric(metric) == []


@pytest.mark.parametrize("metric", MISTAKES, ids=lambda metric: metric.__name__)
def test_incorrect_metric_has_a_failure(metric: Any) -> None:
    failures = testing.check_metric(metric)
    assert MISTAKES[metric] in "\n".join(map(str, failures))
    assert all(failure.remedy for failure in failures)
