"""Test that metrics use the same latents every time, are kept on resume, and do not affect training."""

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


def test_metrics_are_computed_with_each_checkpoint_and_at_the_end(tmp_path: Path) -> None:
    run = train("gan", tmp_path / "run", epochs=None, steps=16, **METRIC)  # a checkpoint every 6 steps
    assert [r["step"] for r in run.metrics] == [6, 12, 16]
    assert all(r["swd"] > 0 for r in run.metrics)
    assert len({r["swd"] for r in run.metrics}) == 3


@pytest.mark.parametrize("model", ["gan", "dcgan-upsample"])
def test_metrics_do_not_change_training(model: str, tmp_path: Path) -> None:
    with_metrics = train(model, tmp_path / "with", ema=100, **METRIC)
    without = train(model, tmp_path / "without", ema=100)
    assert with_metrics.losses_file.read_bytes() == without.losses_file.read_bytes()
    assert [p.read_bytes() for p in with_metrics.samples] == [p.read_bytes() for p in without.samples]
    assert without.metrics == []
    assert not without.metrics_file.exists()


@pytest.mark.parametrize("step", [6, 7, 10])
def test_resumed_run_has_the_same_metrics(step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train("gan", tmp_path / "whole", **METRIC)
    with monkeypatch.context() as patched:
        stop_at(patched, step)
        with pytest.raises(Interrupted):
            train("gan", tmp_path / "cut", **METRIC)
    resumed = ganctl.train(resume_from=tmp_path / "cut", quiet=True)
    assert_same_run(whole, resumed)
    assert whole.metrics_file.read_bytes() == resumed.metrics_file.read_bytes()


def test_extending_a_run_removes_the_metrics_of_its_previous_end(tmp_path: Path) -> None:
    short = train("gan", tmp_path / "short", epochs=None, steps=10, **METRIC)
    assert [r["step"] for r in short.metrics] == [6, 10]
    again = ganctl.train(
        resume_from=short.path, quiet=True
    )  # the run is already finished, so nothing changes
    assert [r["step"] for r in again.metrics] == [6, 10]
    longer = ganctl.train(resume_from=short.path, steps=14, quiet=True)
    assert [r["step"] for r in longer.metrics] == [6, 12, 14]


def test_every_metric_receives_uint8_samples_and_the_dataset() -> None:
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
    log: list[str] = []
    metrics = Metrics(registry, (Spec("one"), Spec("two")), log.append)
    x = torch.arange(12, dtype=torch.uint8).view(3, 1, 2, 2)
    reals = ganctl.Images(torch.zeros(5, 1, 2, 2, dtype=torch.uint8))
    assert metrics(lambda: iter(x.split(2)), reals) == {"one": 2.0, "two": 2.0}
    assert all(torch.equal(images, x) for images in seen)
    assert len(seen) == 2
    assert not log


def test_failing_metric_is_dropped_with_a_warning(tmp_path: Path) -> None:
    def fails() -> Any:
        def metric(fakes: Iterator[Tensor], reals: ganctl.Images) -> float:
            raise RuntimeError("too few\nimages")

        return metric

    registry, log = Registry(), []
    registry.add(component("metric", "fails", fails, "Fails", **ORIGIN))
    registry.add(component("metric", "fine", lambda: lambda fakes, reals: 1.5, "Fine", **ORIGIN))
    metrics = Metrics(registry, (Spec("fails"), Spec("gone"), Spec("fine")), log.append)
    reals = ganctl.Images(torch.zeros(1, 1, 2, 2, dtype=torch.uint8))
    for _ in range(2):
        assert metrics(lambda: iter([]), reals) == {"fine": 1.5}
    assert len(log) == 2
    assert log[0].startswith("warning: the metric 'gone' failed (There is no metric 'gone'.")
    assert log[1] == "warning: the metric 'fails' failed (too few images) and is no longer computed."


SEVERAL = """
import torch
import ganctl

@ganctl.hookimpl
def register_metrics(register):
    register("several", lambda: measure, summary="Several values")

def measure(fakes, reals, device, G, y):
    x = torch.cat(list(fakes))
    assert device == torch.device("cpu")
    assert y.tolist() == [i % 10 for i in range(len(x))]
    own = G(torch.zeros(2, 100), torch.tensor([0, 1]))
    return {"mean": x.float().mean(), "own": own.mean(), "n": len(x)}
"""


def test_metric_may_request_arguments_and_return_several_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "several.py"
    file.write_text(SEVERAL)
    run = ganctl.train(
        "cgan", {"name": "glyphs", "n": 16}, out=tmp_path / "run", plugins=[file], metrics=["several"],
        metric_samples=12, batch_size=8, steps=2, samples=1, trackers=[], quiet=True, device="cpu",
        generator={"hidden": "8"}, discriminator={"hidden": "8"},
    )  # fmt: skip
    assert "warning" not in capsys.readouterr().err
    (values,) = [r for r in run.metrics if r["step"] == 2]
    assert list(values) == ["step", "epoch", "several/mean", "several/own", "several/n"]
    assert values["several/n"] == 12
    assert "several/mean" in ganctl.report(run.path).html()
