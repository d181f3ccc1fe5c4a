"""Metrics while training: of the same pictures every time, exact when a run goes on, and never in its way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.bit_identical import assert_same_run
from helpers.small_runs import stop_at, train
from torch import Tensor

import ganctl
from ganctl import Spec
from ganctl.evaluation.metrics import Metrics
from ganctl.plugin.registry import Registry, component
from ganctl.system.signals import Interrupted

ORIGIN = {"plugin": "p", "distribution": "d", "version": "1"}
METRIC: dict[str, Any] = {"metrics": [{"name": "swd", "patches": 2, "directions": 4}], "metric_samples": 40}


def test_a_number_an_epoch_and_one_at_the_end(tmp_path: Path) -> None:
    run = train("gan", tmp_path / "run", epochs=None, steps=16, **METRIC)  # epochs end in steps 7 and 13
    assert [(r["step"], r["epoch"]) for r in run.metrics] == [(7, 1), (13, 2), (16, 2.56)]
    assert all(r["swd"] > 0 for r in run.metrics)
    assert len({r["swd"] for r in run.metrics}) == 3


@pytest.mark.parametrize("model", ["gan", "dcgan-upsample"])
def test_it_leaves_the_training_alone(model: str, tmp_path: Path) -> None:
    with_it = train(model, tmp_path / "with", ema=100, **METRIC)
    without = train(model, tmp_path / "without", ema=100)
    assert with_it.losses_file.read_bytes() == without.losses_file.read_bytes()
    assert [p.read_bytes() for p in with_it.samples] == [p.read_bytes() for p in without.samples]
    assert without.metrics == []
    assert not without.metrics_file.exists()


@pytest.mark.parametrize("step", [6, 7, 10])
def test_stopped_and_gone_on_has_the_same_numbers(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train("gan", tmp_path / "whole", **METRIC)
    with monkeypatch.context() as patched:
        stop_at(patched, step)
        with pytest.raises(Interrupted):
            train("gan", tmp_path / "cut", **METRIC)
    gone_on = ganctl.train(resume_from=tmp_path / "cut", quiet=True)
    assert_same_run(whole, gone_on)
    assert whole.metrics_file.read_bytes() == gone_on.metrics_file.read_bytes()


def test_a_longer_run_has_no_line_of_the_shorter_ones_end(tmp_path: Path) -> None:
    short = train("gan", tmp_path / "short", epochs=None, steps=10, **METRIC)
    assert [r["step"] for r in short.metrics] == [7, 10]
    again = ganctl.train(resume_from=short.path, quiet=True)  # nothing to do: nothing changes
    assert [r["step"] for r in again.metrics] == [7, 10]
    longer = ganctl.train(resume_from=short.path, steps=14, quiet=True)
    assert [r["step"] for r in longer.metrics] == [7, 13, 14]


def test_metrics_see_the_same_uint8_pictures_and_the_data() -> None:
    seen: list[Tensor] = []

    def spy() -> Any:
        def metric(fakes: Iterator[Tensor], reals: ganctl.Images) -> float:
            seen.append(torch.cat(list(fakes)))
            assert len(reals.x) == 5
            return 2

        return metric

    registry = Registry()
    for name in ("one", "two"):
        registry.add(component("metric", name, spy, "Spies", **ORIGIN))
    said: list[str] = []
    metrics = Metrics(registry, (Spec("one"), Spec("two")), said.append)
    x = torch.arange(12, dtype=torch.uint8).view(3, 1, 2, 2)
    reals = ganctl.Images(torch.zeros(5, 1, 2, 2, dtype=torch.uint8))
    assert metrics(lambda: iter(x.split(2)), reals) == {"one": 2.0, "two": 2.0}
    assert all(torch.equal(pictures, x) for pictures in seen)
    assert len(seen) == 2
    assert not said


def test_one_that_fails_is_dropped_with_a_warning(tmp_path: Path) -> None:
    def fails() -> Any:
        def metric(fakes: Iterator[Tensor], reals: ganctl.Images) -> float:
            raise RuntimeError("too few\npictures")

        return metric

    registry, said = Registry(), []
    registry.add(component("metric", "fails", fails, "Fails", **ORIGIN))
    registry.add(component("metric", "fine", lambda: lambda fakes, reals: 1.5, "Fine", **ORIGIN))
    metrics = Metrics(registry, (Spec("fails"), Spec("gone"), Spec("fine")), said.append)
    reals = ganctl.Images(torch.zeros(1, 1, 2, 2, dtype=torch.uint8))
    for _ in range(2):
        assert metrics(lambda: iter([]), reals) == {"fine": 1.5}
    assert len(said) == 2
    assert said[0].startswith("warning: the metric 'gone' failed (There is no metric 'gone'.")
    assert said[1] == "warning: the metric 'fails' failed (too few pictures); going on without it."
