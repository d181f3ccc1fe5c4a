"""What only a GPU can show: the captured step is the eager one, to the bit, and nothing is left of a failed capture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.bit_identical import assert_same_run, assert_same_state
from helpers.tiny_models import TINY

import ganctl
from ganctl.config.resolve import resolve
from ganctl.data.batches import Batches
from ganctl.data.prefetch import Place
from ganctl.dataset import Images
from ganctl.diagnostics.bench import Loop, conditions
from ganctl.plugin import discovery
from ganctl.runs.folder import Run
from ganctl.training.devices import rng_state
from ganctl.training.graph.cuda import CudaGraph
from ganctl.training.graph.steps import WARM_UP, graph_of

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
CUDA = torch.device("cuda", 0)
MLP = {"model": "gan", "generator": {"hidden": "16,16"}, "discriminator": {"hidden": "16"}}


def pictures(size: int = 28) -> Images:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(256, (50, 1, size, size), dtype=torch.uint8, generator=generator)
    return Images(x, torch.arange(50) % 3, ("a", "b", "c"), flip=True)


def trained(
    graph: bool, steps: int = WARM_UP + 6, change: Any = None, **settings: Any
) -> tuple[dict[str, Any], list[str]]:
    """The state after a few steps, and what was said."""
    given = {
        "data": "glyphs",
        "batch_size": 8,
        "ema": 100.0,
        "deterministic": True,
        "log_every": steps,
        **settings,
    }
    config = resolve(discovery.registry(), given).config
    said: list[str] = []
    with conditions(config, CUDA):
        make_graph = graph_of(CUDA) if graph else None
        loop = Loop(
            discovery.registry(),
            config,
            pictures(config.image_size or 28),
            CUDA,
            make_graph=make_graph,
            say=said.append,
        )
        if change:
            change(loop)
        torch.manual_seed(1)
        for _ in range(steps - 1):
            loop.step()
        loop.steps()  # the last one uncounted, so that its line is still there
        loop.recorder.count += 1
        state = {
            "engine": loop.engine.state_dict(),
            "rows": loop.recorder.state_dict(),
            "rng": rng_state(CUDA),
        }
        loop.wait()
        loop.close()
    return state, said


@pytest.mark.parametrize("model", sorted(TINY))
def test_captured_is_eager(model: str) -> None:
    expected, silent = trained(False, model=model, **TINY[model])
    state, said = trained(True, model=model, **TINY[model])
    assert silent == []
    assert said == ["The step is a CUDA graph from here on."]
    assert_same_state(expected, state)


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "adamw"},
        {"optimizer": {"name": "rmsprop", "lr": 1e-3}},
        {"optimizer": {"name": "sgd", "lr": 1e-2, "momentum": 0.9}},
        {"precision": "bf16"},
        {"precision": "tf32", "n_critic": 7},
        {"schedules": {"lr": "linear 0 over 9", "ema": "linear 400 over 9"}},
        {"augment": "diffaug"},
        {"augment": {"name": "ada", "kimg": 0.01}},
    ],
    ids=str,
)
def test_captured_is_eager_with(settings: dict[str, Any]) -> None:
    state, said = trained(True, **{**MLP, **settings})
    assert said == ["The step is a CUDA graph from here on."]
    assert_same_state(trained(False, **{**MLP, **settings})[0], state)


def test_a_capture_that_cuda_breaks_off_leaves_no_trace() -> None:
    def change(loop: Loop) -> None:
        loop.steps._watch = False  # what reads is found beforehand otherwise
        original = loop.engine.loss.discriminator_loss

        def reads(*args: Any) -> Any:
            loss, report = original(*args)
            loss.item()
            return loss, report

        loop.engine.loss.discriminator_loss = reads  # type: ignore[method-assign]

    state, said = trained(True, change=change, **MLP)
    assert len(said) == 1
    assert said[0].startswith("Every step is taken from Python, which is slower: ")
    assert_same_state(trained(False, change=change, **MLP)[0], state)


def test_another_graph_can_be_captured_after_a_broken_one() -> None:
    from ganctl.training.graph.cuda import own_stream

    x = torch.ones(3, device=CUDA)
    with own_stream(CUDA):
        with pytest.raises(Exception):  # noqa: B017, PT011  (which one is CUDA's affair)
            CudaGraph(CUDA).capture(lambda: x.sum().item())
        torch.rand(3, device=CUDA)
        graph = CudaGraph(CUDA)
        graph.capture(lambda: x.add_(1))
        for _ in range(2):
            graph.replay()
    torch.cuda.synchronize()
    assert x.tolist() == [3, 3, 3]


@pytest.mark.parametrize("where", ["host", "disk"])
def test_batches_copied_ahead_are_those_that_are_there(where: Any) -> None:
    there = Batches(
        pictures()._replace(flip=False), 8, seed=1, device=CUDA, place=Place("device", ""), per_step=16
    )
    ahead = Batches(
        pictures()._replace(flip=False), 8, seed=1, device=CUDA, place=Place(where, ""), per_step=16
    )
    for step in [*range(40), 3, 4]:
        for batches in (there, ahead):
            batches.prepare(step * 16, 16)
        for _ in range(2):
            one, other = there.draw(), ahead.draw()
            assert torch.equal(one.x, other.x)
            assert torch.equal(one.y, other.y)  # type: ignore[arg-type]
    ahead.close()


def test_a_run_that_goes_on_is_one_that_never_stopped(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        **TINY["dcgan"], "data": {"name": "glyphs", "n": 100}, "batch_size": 8, "steps": 40, "checkpoint_every": 25,
        "deterministic": True, "device": "cuda", "log_every": 10, "samples": 4, "keep": 0, "quiet": True,
    }  # fmt: skip
    whole = ganctl.train("dcgan", out=tmp_path / "whole", **settings)
    assert "CUDA graph from here on" in whole.log_file.read_text()
    eager = ganctl.train("dcgan", out=tmp_path / "eager", graph=False, **settings)
    assert eager.losses_file.read_bytes() == whole.losses_file.read_bytes()
    (middle,) = (path for path in whole.checkpoints if path.name == "step-00000025.pt")
    gone_on: Run = ganctl.train(resume_from=middle, runs=tmp_path, quiet=True)
    assert_same_run(whole, gone_on)
