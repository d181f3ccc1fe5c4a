"""Checkpoints with invalid values are refused with an error before anything is built or written."""

from __future__ import annotations

import copy
import io
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.in_process_cli import assert_error, run

from ganctl.runs import checkpoint, checkpoint_schema
from ganctl.runs.folder import Run

PARTS = list(checkpoint_schema._PARTS)

#: Path in the checkpoint, such as "config/seed", and an invalid value at that path.
INVALID: list[tuple[str, Any]] = [
    *((name, None) for name in PARTS),
    ("step", "x"), ("step", -1), ("step", True), ("step", 1.5),
    ("seconds", float("nan")),
    ("config", []), ("config", {}), ("config", {1: 2}),
    ("config/seed", "x"), ("config/seed", None), ("config/seed", torch.zeros(1)), ("config/batch_size", 1.5),
    ("config/precision", "fp8"), ("config/model", 3), ("config/on_nan", []),
    ("config/generator", "gan"), ("config/generator", {}), ("config/generator", {"name": 5}),
    ("config/generator", {"name": "gan", 3: 4}), ("config/generator", None), ("config/data", None),
    ("components", {}), ("components", []), ("components/generator", {}), ("components/generator", "gan"),
    ("components/generator/version", 1), ("components/generator/name", "../../x"),
    ("components/generator/distribution", "x'; touch /tmp/x; '"),
    ("components/generator/version", "1.0\n\x1b[2J"),
    ("image", [1, 28]), ("image", [0, 28, 28]), ("image", [1, -28, 28]), ("image", ["1", 28, 28]), ("image", "abc"),
    ("classes", "0123456789"), ("classes", [0, 1]),
    ("num_classes", "10"), ("num_classes", -1),
    ("data", 5),
    ("engine", []), ("engine", {}), ("engine/G", {}), ("engine/G", []), ("engine/D", {"x": 3}), ("engine/G_ema", 3),
    ("recorder", {}), ("recorder/names", "ab"), ("recorder/rows", torch.zeros(2, 99)), ("recorder/rows", [[1.0]]),
    ("rng", {}), ("rng/cpu", torch.zeros(5)), ("rng/cpu", "x"),
    ("rng/cpu", torch.zeros(5, dtype=torch.uint8)), ("rng/cpu", torch.zeros(5056, dtype=torch.uint8)),
]  # fmt: skip

#: Values of the correct type from which no generator can be built.
INVALID_GENERATOR: list[tuple[str, Any]] = [
    ("image", [1, 29, 28]), ("image", [3, 28, 28]), ("image", [1, 10**6, 10**6]), ("image", [2**40, 2**40, 2**40]),
    ("config/generator/hidden", [10**9]), ("config/generator/hidden", "many"), ("config/generator/width", 3),
    ("config/generator", {"name": "../../etc/passwd"}), ("config/generator", {"name": "dcgan"}),
    ("config/latent", {"name": "normal", "z_dim": 10**12}), ("config/latent", {"name": "normal", "z_dim": -1}),
    ("config/latent", {"name": "../x"}), ("config/latent", {"name": "normal", "z_dim": "x"}),
    ("engine/G", {"x": torch.zeros(3)}), ("engine/G", {0: torch.zeros(3)}),
    ("engine/G_ema", {"x": torch.zeros(3)}),
]  # fmt: skip

#: Values that are read only when training resumes.
INVALID_TRAINING: list[tuple[str, Any]] = [
    ("config/loss", {"name": "no-such-loss"}), ("config/batch_size", -5),
    ("config/g_optimizer", {"name": "adam", "lr": "fast"}), ("config/g_optimizer", {"name": "adam", "lr": -1.0}),
    ("config/d_optimizer", {"name": "adam", "speed": 3}), ("config/epochs", -3), ("config/ema", -1.0),
    ("engine/D", {"x": torch.zeros(3)}), ("engine/loss", 3), ("engine/loss", {"x": torch.zeros(3)}),
    ("engine/g_optimizer", []), ("engine/g_optimizer", {}), ("engine/g_optimizer", {"state": 3, "param_groups": 4}),
    ("engine/g_optimizer", {"state": {}, "param_groups": []}),
    ("config/discriminator", {"name": "gan", "hidden": [7]}),
]  # fmt: skip


def write_changed(run_: Run, path: Path, where: str, value: Any) -> None:
    """Write the run's newest checkpoint to ``path``, with ``value`` at ``where`` and a valid seal."""
    state = copy.deepcopy(checkpoint.load(run_.checkpoints[-1]))
    *parents, last = where.split("/")
    part: Any = state
    for key in parents:
        part = part[key]
    part[last] = value
    write(state, path)


def write(state: dict[str, Any], path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    path.write_bytes(checkpoint.seal(buffer.getvalue()))


def assert_refused(
    path: Path, capsys: pytest.CaptureFixture[str], commands: list[tuple[object, ...]]
) -> None:
    for args in commands:
        started = time.process_time()
        assert_error(run(capsys, *args), 4, "checkpoint")
        assert time.process_time() - started < 5
        assert [p.name for p in path.parent.iterdir()] == [path.name]


def named(cases: list[tuple[str, Any]]) -> list[Any]:
    return [pytest.param(where, value, id=f"{where}={str(value)[:30]!r}") for where, value in cases]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "x.pt"


@pytest.mark.parametrize(("where", "value"), named(INVALID))
def test_invalid_value_is_refused(
    where: str, value: Any, tiny_run: Run, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_changed(tiny_run, path, where, value)
    assert_refused(path, capsys, [("sample", "--ckpt", path), ("train", "--resume", path)])


@pytest.mark.parametrize("name", PARTS)
def test_missing_part_is_refused(
    name: str, tiny_run: Run, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = checkpoint.load(tiny_run.checkpoints[-1])
    del state[name]
    write(state, path)
    assert_refused(path, capsys, [("sample", "--ckpt", path), ("train", "--resume", path)])
    assert f"'{name}'" in run(capsys, "sample", "--ckpt", path).stderr


@pytest.mark.parametrize(("where", "value"), named(INVALID_GENERATOR))
def test_generator_that_cannot_be_built_is_refused(
    where: str, value: Any, tiny_run: Run, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_changed(tiny_run, path, where, value)
    assert_refused(path, capsys, [("sample", "--ckpt", path)])


@pytest.mark.parametrize(("where", "value"), named(INVALID_TRAINING))
def test_training_state_that_cannot_be_resumed_is_refused(
    where: str, value: Any, tiny_run: Run, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_changed(tiny_run, path, where, value)
    assert_refused(path, capsys, [("train", "--resume", path, "--epochs", 3)])


def test_names_with_separators_cannot_leave_the_runs_folder(
    tiny_run: Run, path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_changed(tiny_run, path, "config/model", "../../evil")
    assert_error(run(capsys, "train", "--resume", path), 4, "its 'model' has two names")
    assert Run.create_numbered(path.parent / "runs", "../../evil/x").path.parent == path.parent / "runs"


def test_checkpoints_of_a_run_are_valid(tiny_run: Run) -> None:
    """The checks that refuse invalid checkpoints accept checkpoints saved by training."""
    for file in tiny_run.checkpoints:
        checkpoint_schema.check(checkpoint.load(file), file)


def test_unknown_setting_of_a_newer_version_is_ignored(
    tiny_run: Run, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_changed(tiny_run, path, "config/color", "blue")
    assert run(capsys, "sample", "--ckpt", path, "--n", 4).status == 0
