"""The whole step of every model, from Python and as a CUDA graph, in float32 and bfloat16; data, start-up, memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from subjects import Ganctl, Setting, data, synchronize

from ganctl import plugins, prepare
from ganctl.data import Batches
from ganctl.devices import choose_device
from ganctl.feed import Place
from ganctl.progress import Quiet

ROUNDS = 10


@pytest.fixture
def setting(request: pytest.FixtureRequest) -> Setting:
    options = request.config.option
    model = request.node.callspec.params.get("model", "dcgan")
    size = 32 if plugins.registry().get("model", model).load().image_size else None
    return Setting(model, options.batch_size, size, options.device, options.threads)


@pytest.fixture(params=[False, True], ids=["eager", "graph"])
def graph(request: pytest.FixtureRequest, setting: Setting) -> bool:
    if request.param and choose_device(setting.device).type != "cuda":
        pytest.skip("graphs are CUDA's")
    return bool(request.param)


@pytest.fixture
def loop(setting: Setting, graph: bool, precision: str) -> Iterator[Ganctl]:
    loop = Ganctl(setting, {"precision": precision}, graph=graph)
    for _ in range(8):  # a graph is captured in these
        loop.step()
    yield loop
    loop.close()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("model", plugins.registry().names("model"))
def test_step(benchmark: BenchmarkFixture, loop: Ganctl, model: str, precision: str, graph: bool) -> None:
    benchmark.group = f"{model}: step"
    assert (loop.steps.graph is not None) == graph
    if loop.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()

    def run() -> None:
        loop.step()
        synchronize(loop.device)

    benchmark.pedantic(run, rounds=ROUNDS, warmup_rounds=1)
    benchmark.extra_info["images_per_second"] = loop.per_step / benchmark.stats.stats.median
    if loop.device.type == "cuda":
        benchmark.extra_info["memory_mib"] = torch.cuda.max_memory_reserved() / 2**20


@pytest.mark.parametrize("where", ["device", "host", "disk"])
def test_batches_alone(benchmark: BenchmarkFixture, setting: Setting, where: Any) -> None:
    benchmark.group = "a batch"
    device, config = choose_device(setting.device), setting.config()
    images = prepare.load_data(plugins.registry(), config, Quiet()).images
    batches = Batches(images, setting.batch_size, seed=0, device=device, place=Place(where, ""))
    taken = 0

    def run() -> None:
        nonlocal taken
        batches.prepare(taken * setting.batch_size, setting.batch_size)
        batches.draw()
        synchronize(device)
        taken += 1

    benchmark.pedantic(run, rounds=200, warmup_rounds=20)
    benchmark.extra_info["waited"] = batches.feed.waited if batches.feed else 0.0
    batches.close()


@pytest.mark.parametrize("words", ["--help", "models", "first step"])
def test_start_up(benchmark: BenchmarkFixture, setting: Setting, words: str, tmp_path: Path) -> None:
    benchmark.group = "start-up"
    arguments, count = [words], 0
    if words == "first step":
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
        place = ["--out", str(tmp_path / str(count))] if words == "first step" else []
        subprocess.run([sys.executable, "-m", "ganctl", *arguments, *place], check=True, capture_output=True)

    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
