"""Test that checkpoint files are written atomically, sealed, and loaded without running code."""

from __future__ import annotations

import io
import os
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from ganctl import GanctlError
from ganctl.runs import checkpoint
from ganctl.runs.folder import Run


@pytest.fixture
def state(tiny_run: Run) -> dict[str, Any]:
    return checkpoint.load(tiny_run.checkpoints[-1])


def test_load_returns_the_saved_state(state: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    checkpoint.save(path, state)
    again = checkpoint.load(path)
    assert list(again) == list(state)
    for part in ("G", "D"):
        assert isinstance(again["engine"][part], OrderedDict)
        for name, weight in state["engine"][part].items():
            assert torch.equal(again["engine"][part][name], weight)
            assert again["engine"][part][name].dtype == weight.dtype
    assert again["config"] == state["config"]
    assert torch.equal(again["rng"]["cpu"], state["rng"]["cpu"])


def test_every_value_is_plain(state: dict[str, Any]) -> None:
    """torch can load only plain types without running code, so no Path, Enum, NumPy scalar or torch.__version__."""

    def check(value: Any, where: str) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                assert type(key) in (str, int), where
                check(item, f"{where}/{key}")
        elif isinstance(value, (list, tuple)):
            for item in value:
                check(item, where)
        else:
            assert type(value) in (int, float, str, bool, type(None), torch.Tensor), (where, type(value))

    check(state, "")


def test_equal_states_are_saved_as_equal_files(state: dict[str, Any], tmp_path: Path) -> None:
    one, two = tmp_path / "a.pt", tmp_path / "b.pt"
    checkpoint.save(one, state)
    checkpoint.save(two, state)
    assert one.read_bytes() == two.read_bytes()


def test_torch_load_reads_a_checkpoint(tiny_run: Run) -> None:
    """The seal is a zip comment, so the file remains an archive that torch can load."""
    path = tiny_run.checkpoints[-1]
    assert torch.load(path, weights_only=True)["format"] == checkpoint.FORMAT
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.comment.startswith(checkpoint.SEAL)


def test_tensors_are_loaded_on_the_cpu(state: dict[str, Any]) -> None:
    assert all(weight.device.type == "cpu" for weight in state["engine"]["G"].values())


def test_sealed_archive_cannot_be_sealed_again() -> None:
    buffer = io.BytesIO()
    torch.save({"x": 1}, buffer)
    sealed = checkpoint.seal(buffer.getvalue())
    assert checkpoint.unseal(sealed, Path("x.pt")) == buffer.getvalue()
    with pytest.raises(ValueError, match="already has a comment"):
        checkpoint.seal(sealed)


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_failed_save_keeps_the_old_file(
    step: str, state: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.pt"
    checkpoint.save(path, state)
    before = path.read_bytes()

    def fail(*args: Any) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        if step == "write":
            patch.setattr(Path, "open", fail)
        else:
            patch.setattr(os, step, fail)
        with pytest.raises(GanctlError, match=r"Cannot write .*x\.pt: Permission denied") as caught:
            checkpoint.save(path, {**state, "step": 99})
    assert caught.value.status == 1
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.pt"]


def test_folder_is_refused_as_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(GanctlError, match="it is a folder, not a file") as caught:
        checkpoint.load(tmp_path)
    assert caught.value.status == 4


def test_checkpoint_from_a_newer_version_is_refused(state: dict[str, Any], tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({**state, "format": checkpoint.FORMAT + 1, "ganctl": "9.0"}, buffer)
    (tmp_path / "x.pt").write_bytes(checkpoint.seal(buffer.getvalue()))
    with pytest.raises(GanctlError, match=r"later version of ganctl \(9\.0\)"):
        checkpoint.load(tmp_path / "x.pt")
