"""The logic of benchmarks/gpu.py, where there is no GPU."""

from __future__ import annotations

import sys
import time
from importlib.metadata import distributions, entry_points, version
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import gpu  # noqa: E402
import subjects  # noqa: E402


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> gpu.Work:
    monkeypatch.setattr(subjects, "data", lambda: {"data": {"name": "glyphs", "n": 40}})
    return gpu.Work("cpu", tmp_path, time.monotonic() + 60)


def test_steps_and_exactness_in_small(work: gpu.Work) -> None:
    strict = torch.are_deterministic_algorithms_enabled()
    (row,) = gpu.steps(work)
    assert min(row["textbook"], row["eager"], row["graph"]) > 0
    (row,) = gpu.exactness(work)
    assert row == {"model": "gan", "captured": True, "same bits": True}
    assert torch.are_deterministic_algorithms_enabled() == strict


def test_the_table_has_a_row_a_model_and_says_what_failed() -> None:
    row = {
        "model": "gan",
        "batch_size": 64,
        "precision": "fp32",
        "textbook": 100.0,
        "eager": 400.0,
        "graph": 1600.0,
    }
    on_cuda = {**row, "busy": 0.97, "eager MiB": 100, "graph MiB": 110, "captured": True}
    table = gpu.summary({"machine": {}, "steps": [row, on_cuda, {"model": "x", "left out": "no time"}]})
    assert table.splitlines()[2].split() == [
        "gan",
        "64",
        "fp32",
        "100.0",
        "400.0",
        "1,600.0",
        "16.0",
        "4.0",
        "97%",
        "1.10",
    ]
    assert table.endswith("All checks passed.")
    wrong = [{"same bits": False}, {"passed": False}, {"captured": False}, {"error": "RuntimeError: no"}]
    assert len(gpu.failures({"exactness": [*wrong, {"same bits": True}], "seconds": 3})) == 4
    assert "FAILED:" in gpu.summary({"exactness": wrong})


def test_a_part_that_breaks_is_a_row_and_what_has_no_time_is_said(work: gpu.Work) -> None:
    def breaks():  # type: ignore[no-untyped-def]
        yield {"fine": 1}
        raise RuntimeError("no")

    assert list(gpu._guarded(breaks())) == [{"fine": 1}, {"error": "RuntimeError: no"}]
    work.deadline = time.monotonic()
    assert [row["left out"] for row in gpu.steps(work)] == ["no time"]


def test_a_checkout_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {(point.name, point.value) for point in entry_points(group="ganctl")}
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(gpu, "_registered", lambda: False)
    gpu.made_importable(tmp_path)
    (made,) = distributions(path=[str(tmp_path / "site")])
    assert (made.name, made.version) == ("ganctl", version("ganctl"))
    assert {("gan", "ganctl_gan"), ("dcgan", "ganctl_dcgan")} <= {
        (p.name, p.value) for p in made.entry_points
    }
    assert installed <= {(point.name, point.value) for point in entry_points(group="ganctl")}
