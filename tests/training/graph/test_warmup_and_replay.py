"""Test that replayed steps are bit-identical to eager steps. On the CPU, a trace is replayed without Python."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from helpers.bit_identical import assert_same_run, assert_same_state
from helpers.tiny_models import TINY
from torch import Tensor, nn
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

import ganctl
from ganctl.cli import cli
from ganctl.config.resolve import resolve
from ganctl.data.batches import Batches
from ganctl.dataset import Images
from ganctl.plugin import discovery
from ganctl.runs.folder import Run
from ganctl.training import setup
from ganctl.training.engine import Engine
from ganctl.training.graph.cpu_trace import Trace, Tracer
from ganctl.training.graph.warmup_and_replay import WARM_UP, Steps
from ganctl.training.objectives import Due
from ganctl.training.reported_values import Recorder
from ganctl.training.schedules import Schedules

CPU = torch.device("cpu")
STEPS = WARM_UP + 3
BATCH = 4


class Training:
    """A training loop without files."""

    def __init__(
        self,
        graph: bool,
        change: Callable[[Engine], None] = lambda engine: None,
        steps: int = STEPS,
        **settings: Any,
    ) -> None:
        settings = {"data": "glyphs", "batch_size": BATCH, "log_every": steps, "ema": 20.0, **settings}
        config = resolve(discovery.registry(), settings).config
        torch.manual_seed(0)
        size = config.image_size or 28
        x = torch.randint(256, (11, 1, size, size), dtype=torch.uint8)  # epochs end within a step
        images = Images(x, torch.arange(11) % 3, ("a", "b", "c"), flip=True)
        self.engine = setup.make_engine(discovery.registry(), config, images, CPU)
        self.schedules = Schedules(
            config.schedules, self.engine, total_steps=STEPS, ema_rampup=config.ema_rampup
        )
        change(self.engine)
        self.batches = Batches(images, BATCH, seed=3, device=CPU)
        self.recorder = Recorder(steps, CPU)
        self.log: list[str] = []
        self.steps = Steps(self.step, self.engine, Trace if graph else None, self.log.append)

    def step(self, due: Due) -> None:
        self.recorder.write(self.engine.step(self.batches.draw, due), due)

    def run(self, steps: int = STEPS) -> dict[str, Any]:
        torch.manual_seed(1)
        for step in range(steps):
            self.schedules.apply(step)
            self.batches.prepare(step * self.engine.images_per_step, self.engine.images_per_step)
            due = self.engine.due(step)
            self.steps(due)
            self.recorder.advance(due)
        return {
            "engine": self.engine.state_dict(),
            "rows": self.recorder.state_dict(),
            "rng": torch.get_rng_state(),
        }


def run_both(steps: int = STEPS, **settings: Any) -> tuple[Training, Training]:
    """Run the same training without and with a graph, and check that the results are equal."""
    eager, captured = Training(False, steps=steps, **settings), Training(True, steps=steps, **settings)
    expected = eager.run(steps)
    assert_same_state(expected, captured.run(steps))
    assert eager.log == []
    return eager, captured


@pytest.mark.parametrize("model", sorted(TINY))
def test_replayed_steps_equal_eager_steps(model: str) -> None:
    _, captured = run_both(model=model, **TINY[model])
    assert captured.log == []
    assert captured.steps.graphs


MLP = {"model": "gan", "generator": {"hidden": "8"}, "discriminator": {"hidden": "8"}}
CONV = {"model": "dcgan", "generator": {"width": 2}, "discriminator": {"width": 2}}


@pytest.mark.parametrize(
    "settings",
    [
        {**MLP, "optimizer": {"name": "adamw", "lr": 1e-3}},
        {**MLP, "optimizer": {"name": "rmsprop", "lr": 1e-3, "momentum": 0.5}},
        {**MLP, "optimizer": {"name": "sgd", "lr": 1e-2, "momentum": 0.9}},
        {
            **MLP,
            "precision": "bf16",
            "latent": "uniform",
            "n_critic": 3,
        },  # a step uses more images than the dataset contains
        {**CONV, "augment": "diffaug", "regularizers": ["r1"], "force": True},
        {**CONV, "augment": {"name": "ada", "kimg": 0.01}},
    ],
)
def test_replayed_steps_equal_eager_steps_with_settings(settings: dict[str, Any]) -> None:
    assert run_both(**settings)[1].steps.graphs


LAZY = [
    [{"name": "r1", "every": 4}],
    [{"name": "r1", "every": 2}, {"name": "path-length", "every": 3}, {"name": "lecam", "every": 1}],
    [
        {"name": "gradient-penalty", "every": 3},
        {"name": "zcr", "every": 4},
        {"name": "diversity", "every": 2},
    ],
]


@pytest.mark.parametrize("regularizers", LAZY)
def test_replayed_steps_equal_eager_steps_with_lazy_regularizers(regularizers: list[dict[str, Any]]) -> None:
    _, captured = run_both(**MLP, regularizers=regularizers, steps=24)
    assert captured.log == []
    due = {captured.engine.due(step) for step in range(24)}
    assert len(captured.steps.graphs) >= 2
    assert len(captured.steps.graphs) <= len(due)


@pytest.mark.parametrize(
    "names", [["r2", "dragan"], ["consistency", "orthogonal"], ["balanced-consistency", "r1"]]
)
def test_replayed_steps_equal_eager_steps_with_other_regularizers(names: list[str]) -> None:
    assert run_both(**MLP, regularizers=names)[1].steps.graphs


def test_replays_use_scheduled_values(monkeypatch: pytest.MonkeyPatch) -> None:
    schedules = {"lr": "linear 0", "ema": "linear 400", "loss.gp_weight": "cosine 1"}
    settings = {**MLP, "model": "wgan-gp", "schedules": schedules}
    with monkeypatch.context() as patch:
        patch.setattr("ganctl.training.schedules.KEEPS_LR_ON_DEVICE", ())
        plain = Training(False, **settings)
    assert plain.schedules.on_the_host() == ["g_optimizer.lr", "d_optimizer.lr"]
    plain.run()
    eager, captured = run_both(**settings)
    assert captured.schedules.on_the_host() == []
    assert isinstance(captured.engine.g_optimizer.param_groups[0]["lr"], Tensor)
    assert eager.engine.state_dict()["g_optimizer"]["param_groups"][0]["lr"] == pytest.approx(1e-4 / STEPS)
    for one, other in zip(eager.engine.G.parameters(), plain.engine.G.parameters(), strict=True):
        torch.testing.assert_close(
            one, other, rtol=1e-4, atol=1e-6
        )  # the learning rate differs in the last bits


def test_comparison_detects_a_learning_rate_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ganctl.training.schedules.KEEPS_LR_ON_DEVICE", ()
    )  # and Steps sets no fallback_reason
    _, captured = run_both(**MLP, schedules={"lr": "linear 0"})
    (line,) = captured.log
    assert "a replay computes other values" in line
    assert not captured.steps.graphs


def test_runs_with_and_without_graph_are_equal_even_after_resuming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganctl.rendering.curves.draw", lambda *_: None)
    settings = {
        **MLP,
        "data": {"name": "glyphs", "n": 30},
        "batch_size": 8,
        "steps": 16,
        "log_every": 5,
        "samples": 4,
    }
    settings |= {
        "schedules": {"lr": "linear 0"},
        "checkpoint_every": 6,
        "sample_every": 5,
        "quiet": True,
        "keep": 0,
    }
    eager = ganctl.train(out=tmp_path / "eager", graph=False, **settings)
    whole = ganctl.train(out=tmp_path / "whole", **settings)
    assert "eager steps" not in whole.log_file.read_text()
    parts = Run(shutil.copytree(whole.path, tmp_path / "parts"))
    for path in parts.checkpoints[1:]:
        path.unlink()
    ganctl.train(resume_from=parts.path, quiet=True)  # starts with eager steps again
    assert_same_run(whole, parts)
    assert eager.losses_file.read_bytes() == whole.losses_file.read_bytes()
    for one, other in zip(eager.samples, whole.samples, strict=True):
        assert one.read_bytes() == other.read_bytes()


def fallback_line(change: Callable[[Engine], None]) -> str:
    """Check that a run falls back to eager steps with unchanged results, and return the log line about the fallback."""
    eager, captured = Training(False, change, **MLP), Training(True, change, **MLP)
    assert_same_state(eager.run(), captured.run())
    (line,) = captured.log
    assert not captured.steps.graphs
    assert line.startswith("Falls back to eager steps, which are slower: ")
    return line


def in_discriminator_loss(function: Callable[[Any, Tensor], Any]) -> Callable[[Engine], None]:
    """Return a change to an engine that calls ``function`` with the loss and its value in each D update."""

    def change(engine: Engine) -> None:
        original = engine.loss.discriminator_loss

        def changed(*args: Any) -> Any:
            loss, report = original(*args)
            function(engine.loss, loss)
            return loss, report

        engine.loss.discriminator_loss = changed  # type: ignore[method-assign]

    return change


def count(loss: Any, value: Tensor) -> None:
    loss.count = getattr(loss, "count", 0) + 1


def rebind(loss: Any, value: Tensor) -> None:
    loss.mean = value.detach()


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (
            lambda loss, value: value.item(),
            "test_warmup_and_replay.py, line .* reads a value from the device",
        ),
        (lambda loss, value: (two := value.repeat(2))[two > 0], "selects by a mask"),
        (
            lambda loss, value: value.detach().numpy(),
            r"test_warmup_and_replay.py, line .* reads a tensor with \.numpy",
        ),
        (lambda loss, value: torch.tensor(0.5), "makes a tensor from Python's numbers"),
        (count, r"loss\.count is changed by Python after each step"),
        (rebind, r"loss\.mean is another tensor after each step"),
        (lambda loss, value: random.random(), "draws Python's random numbers"),
    ],
)
def test_watched_step_detects_operations_that_cannot_be_replayed(
    function: Callable[..., Any], reason: str
) -> None:
    assert re.search(reason, fallback_line(in_discriminator_loss(function)))


class FailsWhenCaptured(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if any(isinstance(mode, Tracer) for mode in _get_current_dispatch_mode_stack()):
            torch.rand(3)
            raise RuntimeError("cannot be captured.\nAnd more.")
        return x


@pytest.mark.parametrize(
    ("factory", "remedy"),
    [
        (
            lambda weights: torch.optim.Adam(weights, lr=1e-3),
            " (if the factory of this optimizer has the parameter fused",
        ),
        (
            lambda weights: torch.optim.NAdam(weights, lr=1e-3),
            "",
        ),  # NAdam has no fused kernel, so there is no fix
    ],
    ids=["adam", "nadam"],
)
def test_fallback_message_names_the_optimizer_and_a_fix_for_the_cpu(
    factory: Callable[..., Any], remedy: str
) -> None:
    def change(engine: Engine) -> None:
        engine.g_optimizer = factory(engine.G.parameters())

    line = fallback_line(change)
    name = "NAdam" if not remedy else "Adam"
    assert f"slower: the optimizer {name} reads a value from the device in every step{remedy}" in line
    assert "capturable" not in line
    assert "engine.py" not in line


def test_failed_capture_has_no_effect() -> None:
    def change(engine: Engine) -> None:
        engine.G.layers.append(FailsWhenCaptured())

    line = fallback_line(change)
    assert line == "Falls back to eager steps, which are slower: RuntimeError: cannot be captured."


def test_failed_replay_has_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    replay = Trace.replay

    def broken(trace: Trace) -> None:
        replay(trace)
        raise RuntimeError("cannot be replayed")

    monkeypatch.setattr(Trace, "replay", broken)
    assert "a replay computes other values" in fallback_line(lambda engine: None)


def test_hidden_python_state_is_correct_after_falling_back() -> None:
    def change(engine: Engine) -> None:
        original, calls = engine.loss.discriminator_loss, [0]

        def changed(*args: Any) -> Any:
            calls[0] += 1  # in a closure, which host_state does not include
            loss, report = original(*args)
            return loss * calls[0], report

        engine.loss.discriminator_loss = changed  # type: ignore[method-assign]

    assert "a replay computes other values" in fallback_line(change)


def test_replays_update_weights_in_place() -> None:
    training = Training(True, **MLP)
    training.run(WARM_UP + 1)
    addresses = [weight.data_ptr() for weight in training.engine.sampler.parameters()]
    before = [weight.clone() for weight in training.engine.sampler.parameters()]
    training.steps()
    assert addresses == [weight.data_ptr() for weight in training.engine.sampler.parameters()]
    assert not any(map(torch.equal, before, training.engine.sampler.parameters()))


def test_device_settings_can_be_set_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganctl.rendering.curves.draw", lambda *_: None)
    compiled = []
    monkeypatch.setattr(
        nn.Module,
        "compile",
        lambda self: compiled.append((self, torch.are_deterministic_algorithms_enabled())),
    )
    words = (
        "train --model gan-basic --data glyphs -o data.n=16 --batch-size 8 --steps 2 --tracker none --quiet"
    )
    out = tmp_path / "run"
    arguments = [
        *words.split(),
        "--deterministic",
        "--no-graph",
        "--compile",
        "--loss",
        "wgan-gp",
        "--out",
        str(out),
    ]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    config = Run(out).config
    assert (config["deterministic"], config["graph"], config["compile"]) == (True, False, True)
    assert [deterministic for _, deterministic in compiled] == [
        True
    ]  # only G is compiled, because the loss computes second derivatives of D
    assert "D is not compiled" in Run(out).log_file.read_text()
    assert not torch.are_deterministic_algorithms_enabled()
