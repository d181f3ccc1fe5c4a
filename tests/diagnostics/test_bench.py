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


def test_work_of_a_step_is_counted() -> None:
    loop = make()
    for _ in range(2):
        loop.step()
    G, D = 4 * (8 * 32 + 32 * 16), 4 * (16 * 16 + 16 * 1)  # products of one pass of a batch
    # G: forward, and for its weights and its hidden layer backward. D: forward thrice, for its weights twice, for its
    # hidden layer's sake thrice, and for the fakes once.
    products = G + (G + 4 * 32 * 16) + 3 * D + 2 * D + 3 * (4 * 16) + 4 * 16 * 16
    assert bench.count_flops(loop) == 2 * products
    weights = {"G": 8 * 32 + 32 + 32 * 16 + 16, "D": 16 * 16 + 16 + 16 + 1}
    steps = {"G": 4, "D": 4}  # weights that Adam counts the steps of, a float32 each
    assert bench.least_bytes(loop.engine) == sum(
        2 * (4 * 4 * weights[net] + 4 * steps[net]) for net in weights
    )


def test_work_is_the_same_whichever_library_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for quick in (False, True):
        monkeypatch.setattr("ganctl.kernels.linear.onednn_is_faster", lambda quick=quick: quick)
        counts.append(bench.count_flops(make(generator={"hidden": "256,256"}, loss="wgan-gp")))
    assert counts[0] == counts[1]


def test_the_busy_share_is_of_spans_that_may_overlap() -> None:
    assert covered([(0, 10), (2, 4), (5, 12), (16, 20)]) == pytest.approx(16 / 20)
    assert covered([]) == 0


def test_the_loop_replays_and_counts_lines() -> None:
    loop = make()
    for _ in range(8):
        loop.step()
    assert loop.steps.graph is not None
    assert (loop.taken, loop.recorder.count) == (8, 2)


def test_bench_tells_figures_that_fit_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "peak_flops", lambda *_: 1e9)
    monkeypatch.setattr(bench, "peak_bytes", lambda *_: 1e9)
    words = (
        "bench --model gan-basic --data glyphs -o data.n=40 --batch-size 8 --seconds 0.2 --device cpu --json"
    )
    result = CliRunner().invoke(cli, [*words.split(), str(tmp_path / "b.json")], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "b.json").read_text())
    shown = float(re.search(r"steps per second +([\d,.]+)", result.output)[1].replace(",", ""))  # type: ignore[index]
    assert shown == pytest.approx(1 / figures["step"], rel=0.01)
    assert 0 < figures["busy"] <= 1
    assert figures["floor"] == max(figures["flops"], figures["bytes"]) / 1e9
    assert figures["graph"] is True
    too_large = CliRunner().invoke(cli, [*words.split()[:-1], "--batch-size", "64"])
    assert "larger than the dataset" in str(too_large.exception)
