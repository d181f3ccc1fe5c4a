"""Time the D update, the G update and the whole step of ganctl and of the textbook loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from measured_loops import MODELS, Ganctl, Setting, make_textbook, synchronize
from pytest_benchmark.fixture import BenchmarkFixture
from textbook import Textbook

ROUNDS = 20


@pytest.fixture(params=["textbook", "ganctl"])
def loop(request: pytest.FixtureRequest, model: str) -> Textbook | Ganctl:
    options = request.config.option
    setting = Setting(model, options.batch_size, device=options.device, threads=options.threads)
    loop = make_textbook(setting) if request.param == "textbook" else Ganctl(setting)
    for _ in range(3):
        loop.step()
    return loop


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("part", ["D update", "G update", "step"])
def test_update(benchmark: BenchmarkFixture, loop: Textbook | Ganctl, model: str, part: str) -> None:
    benchmark.group = f"{model}: {part}"
    prepare: Callable[[], Any] = tuple
    if part == "step":
        measured: Callable[..., Any] = loop.step
    elif part == "D update":
        measured = loop.update_discriminator
    else:
        measured = loop.update_generator
        if isinstance(loop, Ganctl):  # the G update needs the batches of the D update
            prepare = loop.update_discriminator

    def setup() -> tuple[Any, dict[str, Any]]:
        arguments = prepare()
        synchronize(loop.device)
        return arguments, {}

    def run(*arguments: Any) -> None:
        measured(*arguments)
        synchronize(loop.device)

    benchmark.pedantic(run, setup=setup, rounds=ROUNDS, warmup_rounds=2)
