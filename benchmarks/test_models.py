"""Time the D update, G update and step of every model (textbook, eager, graph), batch loading, and startup."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from measured_loops import Ganctl, Setting, data, make_textbook, synchronize
from pytest_benchmark.fixture import BenchmarkFixture
from textbook import Textbook

from ganctl.data.batches import Batches
from ganctl.data.prefetch import Placement
from ganctl.plugin import discovery
from ganctl.system.progress import NullReporter
from ganctl.training import setup
from ganctl.training.devices import choose_device
from ganctl.training.graph.warmup_and_replay import graph_factory

ROUNDS = 10


@pytest.fixture
def setting(request: pytest.FixtureRequest) -> Setting:
    options = request.config.option
    model = request.node.callspec.params.get("model", "dcgan")
    size = 32 if discovery.registry().get("model", model).load().image_size else None
    return Setting(model, options.batch_size, size, options.device, options.threads)


@pytest.fixture(params=["textbook", "eager", "graph"])
def variant(request: pytest.FixtureRequest, setting: Setting, precision: str) -> str:
    if request.param == "graph" and graph_factory(choose_device(setting.device)) is None:
        pytest.skip("graphs are not supported on this device")
    if request.param == "textbook" and precision != "fp32":
        pytest.skip("the textbook loop supports only fp32")
    return str(request.param)


@pytest.fixture
def loop(setting: Setting, variant: str, precision: str) -> Iterator[Ganctl | Textbook]:
    if variant == "textbook":
        yield make_textbook(setting)
        return
    loop = Ganctl(setting, {"precision": precision}, graph=variant == "graph")
    yield loop
    loop.close()


@pytest.mark.parametrize("part", ["D update", "G update", "step"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("model", discovery.registry().names("model"))
def test_update(
    benchmark: BenchmarkFixture, loop: Ganctl | Textbook, model: str, precision: str, variant: str, part: str
) -> None:
    benchmark.group = f"{model}: {part}"
    if isinstance(loop, Ganctl):
        run_part = loop.part(part, graph=variant == "graph")
    else:
        loop.update_discriminator()  # the G update uses the real batch of the D update
        parts = {"D update": loop.update_discriminator, "G update": loop.update_generator, "step": loop.step}
        run_part = parts[part]
    for _ in range(8):  # includes capturing the graph
        run_part()
    if loop.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()

    def run() -> None:
        run_part()
        synchronize(loop.device)

    benchmark.pedantic(run, rounds=ROUNDS, warmup_rounds=1)
    if isinstance(loop, Ganctl) and part == "step":
        assert (bool(loop.steps.graphs)) == (variant == "graph")
        benchmark.extra_info["images_per_second"] = loop.per_step / benchmark.stats.stats.median
    if loop.device.type == "cuda":
        benchmark.extra_info["memory_mib"] = torch.cuda.max_memory_reserved() / 2**20


@pytest.mark.parametrize("where", ["device", "host", "disk"])
def test_batches(benchmark: BenchmarkFixture, setting: Setting, where: Any) -> None:
    benchmark.group = "batch"
    device, config = choose_device(setting.device), setting.config()
    images = setup.load_data(discovery.registry(), config, NullReporter()).images
    batches = Batches(images, setting.batch_size, seed=0, device=device, placement=Placement(where, ""))
    count = 0

    def run() -> None:
        nonlocal count
        batches.prepare(count * setting.batch_size, setting.batch_size)
        batches.draw()
        synchronize(device)
        count += 1

    benchmark.pedantic(run, rounds=200, warmup_rounds=20)
    benchmark.extra_info["seconds_waited"] = batches.prefetcher.seconds_waited if batches.prefetcher else 0.0
    batches.close()


@pytest.mark.parametrize("command", ["--help", "list", "first step"])
def test_startup(benchmark: BenchmarkFixture, setting: Setting, command: str, tmp_path: Path) -> None:
    benchmark.group = "startup"
    arguments, count = [command], 0
    if command == "first step":
        settings = data()
        arguments = [
            "train",
            "--model",
            "gan-basic",
            "--data",
            settings["data"]["name"],
            "--steps",
            "1",
            "--quiet",
        ]
        arguments += ["--device", setting.device, "--tracker", "none"]
        arguments += ["--data-root", settings["data_root"]] if "data_root" in settings else []

    def run() -> None:
        nonlocal count
        count += 1
        out = ["--out", str(tmp_path / str(count))] if command == "first step" else []
        subprocess.run([sys.executable, "-m", "ganctl", *arguments, *out], check=True, capture_output=True)

    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
