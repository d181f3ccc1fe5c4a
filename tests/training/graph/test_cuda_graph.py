"""Test that captured steps on a GPU are bit-identical to eager steps, and that a failed capture has no effect."""

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
from ganctl.data.prefetch import Placement
from ganctl.dataset import Images
from ganctl.diagnostics.bench import Loop, conditions
from ganctl.plugin import discovery
from ganctl.runs.folder import Run
from ganctl.training.devices import rng_state
from ganctl.training.graph.cuda_graph import CudaGraph
from ganctl.training.graph.warmup_and_replay import WARM_UP, graph_factory

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
CUDA = torch.device("cuda", 0)
MLP = {"model": "gan", "generator": {"hidden": "16,16"}, "discriminator": {"hidden": "16"}}


def make_images(size: int = 28) -> Images:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(256, (50, 1, size, size), dtype=torch.uint8, generator=generator)
    return Images(x, torch.arange(50) % 3, ("a", "b", "c"), flip=True)


def train_steps(
    graph: bool, steps: int = WARM_UP + 6, change: Any = None, **settings: Any
) -> tuple[dict[str, Any], list[str]]:
    """Return the state after a few steps and the log."""
    defaults = {
        "data": "glyphs",
        "batch_size": 8,
        "ema": 100.0,
        "deterministic": True,
        "log_every": steps,
        **settings,
    }
    config = resolve(discovery.registry(), defaults).config
    log: list[str] = []
    with conditions(config, CUDA):
        make_graph = graph_factory(CUDA) if graph else None
        loop = Loop(
            discovery.registry(),
            config,
            make_images(config.image_size or 28),
            CUDA,
            make_graph=make_graph,
            say=log.append,
        )
        if change:
            change(loop)
        torch.manual_seed(1)
        for _ in range(steps - 1):
            loop.step()
        due = loop.engine.due(loop.taken)
        loop.steps(due)  # not loop.step, which would take the last row from the recorder
        loop.recorder.advance(due)
        state = {
            "engine": loop.engine.state_dict(),
            "rows": loop.recorder.state_dict(),
            "rng": rng_state(CUDA),
        }
        loop.wait()
        loop.close()
    return state, log


@pytest.mark.parametrize("model", sorted(TINY))
def test_captured_steps_equal_eager_steps(model: str) -> None:
    expected, eager_log = train_steps(False, model=model, **TINY[model])
    state, log = train_steps(True, model=model, **TINY[model])
    assert eager_log == []
    assert log == ["The step now runs as a CUDA graph."]
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
def test_captured_steps_equal_eager_steps_with_settings(settings: dict[str, Any]) -> None:
    state, log = train_steps(True, **{**MLP, **settings})
    assert log == ["The step now runs as a CUDA graph."]
    assert_same_state(train_steps(False, **{**MLP, **settings})[0], state)


def test_invalidated_capture_has_no_effect() -> None:
    def change(loop: Loop) -> None:
        loop.steps._watch = False  # otherwise, the read would be detected before the capture
        original = loop.engine.loss.discriminator_loss

        def reads(*args: Any) -> Any:
            loss, report = original(*args)
            loss.item()
            return loss, report

        loop.engine.loss.discriminator_loss = reads  # type: ignore[method-assign]

    state, log = train_steps(True, change=change, **MLP)
    assert len(log) == 1
    assert log[0].startswith("Falls back to eager steps, which are slower: ")
    assert_same_state(train_steps(False, change=change, **MLP)[0], state)


def test_capture_succeeds_after_invalidated_capture() -> None:
    from ganctl.training.graph.cuda_graph import own_stream

    x = torch.ones(3, device=CUDA)
    with own_stream(CUDA):
        with pytest.raises(Exception):  # noqa: B017, PT011  (the type depends on CUDA)
            CudaGraph(CUDA).capture(lambda: x.sum().item())
        torch.rand(3, device=CUDA)
        graph = CudaGraph(CUDA)
        graph.capture(lambda: x.add_(1))
        for _ in range(2):
            graph.replay()
    torch.cuda.synchronize()
    assert x.tolist() == [3, 3, 3]


@pytest.mark.parametrize("where", ["host", "disk"])
def test_prefetched_batches_equal_batches_on_the_device(where: Any) -> None:
    on_device = Batches(
        make_images()._replace(flip=False),
        8,
        seed=1,
        device=CUDA,
        placement=Placement("device", ""),
        per_step=16,
    )
    prefetched = Batches(
        make_images()._replace(flip=False),
        8,
        seed=1,
        device=CUDA,
        placement=Placement(where, ""),
        per_step=16,
    )
    for step in [*range(40), 3, 4]:
        for batches in (on_device, prefetched):
            batches.prepare(step * 16, 16)
        for _ in range(2):
            one, other = on_device.draw(), prefetched.draw()
            assert torch.equal(one.x, other.x)
            assert torch.equal(one.y, other.y)  # type: ignore[arg-type]
    prefetched.close()


def test_resumed_run_equals_uninterrupted_run(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        **TINY["dcgan"], "data": {"name": "glyphs", "n": 100}, "batch_size": 8, "steps": 40, "checkpoint_every": 25,
        "deterministic": True, "device": "cuda", "log_every": 10, "samples": 4, "keep": 0, "quiet": True,
    }  # fmt: skip
    whole = ganctl.train("dcgan", out=tmp_path / "whole", **settings)
    assert "runs as a CUDA graph" in whole.log_file.read_text()
    eager = ganctl.train("dcgan", out=tmp_path / "eager", graph=False, **settings)
    assert eager.losses_file.read_bytes() == whole.losses_file.read_bytes()
    (middle,) = (path for path in whole.checkpoints if path.name == "step-00000025.pt")
    resumed: Run = ganctl.train(resume_from=middle, runs=tmp_path, quiet=True)
    assert_same_run(whole, resumed)
