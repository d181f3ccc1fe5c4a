"""Test training with ganctl_regularizers: every loss and precision, steps without a term, and resuming."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.bit_identical import assert_same_run
from torch.utils._python_dispatch import TorchDispatchMode

import ganctl
from ganctl.config.resolve import resolve
from ganctl.dataset import Images
from ganctl.loss import Batch
from ganctl.plugin import discovery
from ganctl.runs.folder import Run
from ganctl.training import setup
from ganctl.training.engine import Engine

CPU = torch.device("cpu")
REGISTRY = discovery.registry()
NAMES = REGISTRY.names("regularizer")
MLP = {"model": "gan", "generator": {"hidden": "8"}, "discriminator": {"hidden": "8"}, "image_size": 8}
LAZY = [
    [{"name": "r1", "every": 4}],
    [{"name": "r1", "every": 2}, {"name": "path-length", "every": 3}, {"name": "lecam", "every": 1}],
    [{"name": "gradient-penalty", "every": 3}, {"name": "zcr", "every": 4}, {"name": "diversity", "every": 2}],
]  # fmt: skip


def make(regularizers: list[Any], channels: int = 1, labels: bool = True, **settings: Any) -> Engine:
    torch.manual_seed(0)
    settings = {"data": "glyphs", "batch_size": 4, **MLP, **settings, "regularizers": regularizers}
    config = resolve(REGISTRY, settings).config
    x = torch.randint(256, (4, channels, 8, 8), dtype=torch.uint8)
    images = Images(x, torch.arange(4) % 3, ("a", "b", "c")) if labels else Images(x)
    return setup.make_engine(REGISTRY, config, images, CPU)


def reals(channels: int = 1, labels: bool = True) -> Batch:
    return Batch(torch.rand(4, channels, 8, 8) * 2 - 1, torch.arange(4) % 3 if labels else None)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("loss", ["bce", "hinge", "relativistic", "wgan"])
def test_every_loss_trains_with_every_regularizer(loss: str, name: str) -> None:
    engine = make([name], loss=loss)
    before = [copy.deepcopy(network) for network in (engine.G, engine.D)]
    reports = [engine.step(reals, engine.due(step)) for step in range(50)]
    assert engine.is_finite()
    assert all(bool(value.isfinite()) for report in reports for value in report.values())
    for network, old in zip((engine.G, engine.D), before, strict=True):
        weights = zip(network.parameters(), old.parameters(), strict=True)
        assert any(not torch.equal(a, b) for a, b in weights)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("channels", "labels"), [(1, False), (3, True)])
def test_regularizer_trains_in_bf16_with_and_without_labels(name: str, channels: int, labels: bool) -> None:
    model = "cgan" if labels else "gan"
    options = {"model": model, "generator": {"hidden": "8"}, "discriminator": {"hidden": "8"}}
    engine = make([name], channels, labels, **options, precision="bf16")
    for step in range(5):
        report = engine.step(lambda: reals(channels, labels), engine.due(step))
    assert engine.is_finite()
    assert all(value.dtype == torch.float32 for value in report.values())


@pytest.mark.parametrize("name", NAMES)
def test_regularizer_changes_the_update(name: str) -> None:
    engines = []
    for regularizers in ([], [name]):
        engine = make(regularizers)
        torch.manual_seed(1)
        engine.step(reals, engine.due(0))
        engines.append(engine)
    plain, regularized = [[*e.G.parameters(), *e.D.parameters()] for e in engines]
    assert any(not torch.equal(a, b) for a, b in zip(plain, regularized, strict=True))


class Operations(TorchDispatchMode):
    """Record the names of executed operations."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


def operations(engine: Engine, step: int) -> list[str]:
    engine.step(reals, engine.due(0))  # creates the optimizers' state
    with Operations() as recorded:
        engine.step(reals, engine.due(step))
    return recorded.names


@pytest.mark.parametrize("name", NAMES)
def test_step_in_which_no_regularizer_is_due_executes_no_extra_operations(name: str) -> None:
    lazy = [{"name": name, "every": 2}]
    assert operations(make(lazy), 1) == operations(make([]), 1)
    assert len(operations(make(lazy), 2)) > len(operations(make([]), 2))


def test_lecam_needs_no_forward_pass() -> None:
    calls = []
    for regularizers in ([], ["lecam"]):
        engine = make(regularizers)
        engine.D.register_forward_hook(lambda *_: calls.append(1))
        engine.step(reals, engine.due(0))
        calls.append(0)
    assert calls == [1, 1, 1, 0, 1, 1, 1, 0]


@pytest.mark.parametrize("regularizers", LAZY)
@pytest.mark.parametrize(
    "stop", [4, 5]
)  # before and after the step in which terms with every=4 are evaluated
def test_resumed_run_equals_uninterrupted_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, regularizers: list[Any], stop: int
) -> None:
    monkeypatch.setattr("ganctl.rendering.curves.draw", lambda *_: None)
    whole = ganctl.train(
        out=tmp_path / "whole", data={"name": "glyphs", "n": 30}, **MLP, regularizers=regularizers,
        batch_size=8, steps=13, log_every=3, samples=4, checkpoint_every=stop, keep=0, quiet=True,
    )  # fmt: skip
    parts = Run(shutil.copytree(whole.path, tmp_path / "parts"))
    for path in parts.checkpoints[1:]:
        path.unlink()
    ganctl.train(resume_from=parts.path, quiet=True)
    assert_same_run(whole, parts)
    assert whole.losses_file.read_bytes() == parts.losses_file.read_bytes()
    reported = {name for line in whole.losses for name in line}
    assert reported & {"r1", "gradient_penalty"}
