"""Test ``ganctl bench`` and its measurements."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from ganctl.cli import cli
from ganctl.config.resolve import resolve
from ganctl.dataset import Images
from ganctl.diagnostics import bench
from ganctl.diagnostics.bench import Loop, covered
from ganctl.plugin import discovery
from ganctl.training.graph.cpu_trace import Trace

CPU = torch.device("cpu")


def make(**settings: object) -> Loop:
    mlp = {"generator": {"hidden": "32", "batch_norm": False}, "discriminator": {"hidden": "16"}, "z_dim": 8}
    config = resolve(
        discovery.registry(),
        {"model": "gan", "data": "glyphs", "batch_size": 4, "log_every": 3, **mlp, **settings},
    ).config
    return Loop(
        discovery.registry(),
        config,
        Images(torch.zeros(9, 1, 4, 4, dtype=torch.uint8)),
        CPU,
        make_graph=Trace,
    )


def test_flops_and_bytes_of_a_step_are_counted() -> None:
    loop = make()
    for _ in range(2):
        loop.step()
    G, D = 4 * (8 * 32 + 32 * 16), 4 * (16 * 16 + 16 * 1)  # multiply-adds of one forward pass per batch
    # G: one forward pass, and the gradients of its weights and hidden layer. D: three forward passes, and the gradients
    # of its weights (twice), of its hidden layer (three times) and of the fakes (once).
    products = G + (G + 4 * 32 * 16) + 3 * D + 2 * D + 3 * (4 * 16) + 4 * 16 * 16
    assert bench.count_flops(loop) == 2 * products
    weights = {"G": 8 * 32 + 32 + 32 * 16 + 16, "D": 16 * 16 + 16 + 16 + 1}
    steps = {"G": 4, "D": 4}  # Adam stores a float32 step count for each of these tensors
    assert bench.least_bytes(loop.engine) == sum(
        2 * (4 * 4 * weights[net] + 4 * steps[net]) for net in weights
    )


def test_flops_do_not_depend_on_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for faster in (False, True):
        monkeypatch.setattr("ganctl.kernels.linear.onednn_is_faster", lambda faster=faster: faster)
        counts.append(bench.count_flops(make(generator={"hidden": "256,256"}, loss="wgan-gp")))
    assert counts[0] == counts[1]


def test_covered_fraction_counts_overlapping_spans_once() -> None:
    assert covered([(0, 10), (2, 4), (5, 12), (16, 20)]) == pytest.approx(16 / 20)
    assert covered([]) == 0


def test_measured_loop_replays_a_graph() -> None:
    loop = make()
    for _ in range(8):
        loop.step()
    assert loop.steps.graphs
    assert (loop.taken, loop.recorder.count) == (8, 2)


def test_printed_and_saved_results_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "peak_flops", lambda *_: 1e9)
    monkeypatch.setattr(bench, "peak_bytes", lambda *_: 1e9)
    arguments = (
        "bench --model gan-basic --data glyphs -o data.n=40 --batch-size 8 --seconds 0.2 --device cpu --json"
    )
    result = CliRunner().invoke(cli, [*arguments.split(), str(tmp_path / "b.json")], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    results = json.loads((tmp_path / "b.json").read_text())
    printed = float(re.search(r"steps per second +([\d,.]+)", result.output)[1].replace(",", ""))  # type: ignore[index]
    assert printed == pytest.approx(1 / results["step"], rel=0.01)
    assert 0 < results["busy"] <= 1
    assert results["floor"] == max(results["flops"], results["bytes"]) / 1e9
    assert results["graph"] is True
    too_large = CliRunner().invoke(cli, [*arguments.split()[:-1], "--batch-size", "64"])
    assert "larger than the dataset" in str(too_large.exception)
