"""Test benchmarks/gpu.py on the CPU."""

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
import measured_loops  # noqa: E402


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> gpu.Context:
    monkeypatch.setattr(measured_loops, "data", lambda: {"data": {"name": "glyphs", "n": 40}})
    return gpu.Context("cpu", tmp_path, time.monotonic() + 60)


def test_steps_and_exactness_are_measured_on_the_cpu(context: gpu.Context) -> None:
    strict = torch.are_deterministic_algorithms_enabled()
    (row,) = gpu.steps(context)
    assert min(row["textbook"], row["eager"], row["graph"]) > 0
    (row,) = gpu.exactness(context)
    assert row == {"model": "gan", "captured": True, "bit-identical": True}
    assert torch.are_deterministic_algorithms_enabled() == strict


def test_table_has_one_row_per_measurement_and_lists_failed_checks() -> None:
    row = {
        "model": "gan",
        "batch_size": 64,
        "precision": "fp32",
        "textbook": 100.0,
        "eager": 400.0,
        "graph": 1600.0,
    }
    on_cuda = {**row, "busy": 0.97, "eager MiB": 100, "graph MiB": 110, "captured": True}
    table = gpu.summary({"machine": {}, "steps": [row, on_cuda, {"model": "x", "skipped": "no time"}]})
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
    failing = [
        {"bit-identical": False},
        {"passed": False},
        {"captured": False},
        {"error": "RuntimeError: no"},
    ]
    assert len(gpu.failures({"exactness": [*failing, {"bit-identical": True}], "seconds": 3})) == 4
    assert "FAILED:" in gpu.summary({"exactness": failing})


def test_errors_and_skipped_measurements_become_rows(context: gpu.Context) -> None:
    def failing_section():  # type: ignore[no-untyped-def]
        yield {"fine": 1}
        raise RuntimeError("no")

    assert list(gpu._catch_errors(failing_section())) == [{"fine": 1}, {"error": "RuntimeError: no"}]
    context.deadline = time.monotonic()
    assert [row["skipped"] for row in gpu.steps(context)] == ["no time"]


def test_list_of_cuda_tests_is_complete() -> None:
    root = BENCHMARKS.parent
    marker = "mark." + "cuda"
    marked = {
        path for path in (root / "tests").rglob("test_*.py") if marker in path.read_text(encoding="utf-8")
    }
    assert marked == {root / path for path in gpu.CUDA_TESTS}


def test_checkout_without_installation_is_sufficient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {(point.name, point.value) for point in entry_points(group="ganctl")}
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(gpu, "_registered", lambda: False)
    gpu.make_importable(tmp_path)
    (made,) = distributions(path=[str(tmp_path / "site")])
    assert (made.name, made.version) == ("ganctl", version("ganctl"))
    assert {("gan", "ganctl_gan"), ("dcgan", "ganctl_dcgan")} <= {
        (p.name, p.value) for p in made.entry_points
    }
    assert installed <= {(point.name, point.value) for point in entry_points(group="ganctl")}
