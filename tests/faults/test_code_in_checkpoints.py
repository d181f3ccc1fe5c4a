"""Checkpoints that contain code: loading such a checkpoint must not run the code, even if the seal is valid."""

from __future__ import annotations

import functools
import importlib
import io
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy.testing
import pytest
import torch
from helpers.in_process_cli import assert_error, run

from ganctl import GanctlError
from ganctl.runs import checkpoint
from ganctl.runs.folder import Run

RUNSTRING = numpy.testing._private.utils.runstring  # type: ignore[attr-defined]


class Calls:
    """An object whose pickle calls ``function(*args)`` when it is loaded."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.function, self.args = function, args

    def __reduce__(self) -> Any:
        return self.function, self.args


class SetsState:
    """An object that runs code when its state is restored."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __setstate__(self, state: dict[str, Any]) -> None:
        Path(state["marker"]).touch()


def _write(marker: Path) -> str:
    return f"open({str(marker)!r}, 'w').close()"


def _import_of_a_module(marker: Path) -> Calls:
    name = f"evil_{marker.parent.name.replace('-', '_').replace('[', '_').replace(']', '_')}"
    (marker.parent / f"{name}.py").write_text(_write(marker))
    sys.path.insert(0, str(marker.parent))
    return Calls(importlib.import_module, name)


def _load_of_another_file(marker: Path) -> Calls:
    other = marker.parent / "other.pt"
    torch.save(Calls(os.system, f"touch {marker}"), other)
    return Calls(functools.partial(torch.load, weights_only=False), str(other))


#: Objects that create the file ``marker`` when they are loaded.
PAYLOADS: dict[str, Callable[[Path], Any]] = {
    "os.system": lambda marker: Calls(os.system, f"touch {marker}"),
    "eval": lambda marker: Calls(eval, _write(marker)),
    "exec": lambda marker: Calls(exec, _write(marker)),
    "subprocess": lambda marker: Calls(subprocess.check_call, ["touch", str(marker)]),
    "import of a module": _import_of_a_module,
    "numpy's runstring": lambda marker: Calls(RUNSTRING, _write(marker), {}),
    "__setstate__": SetsState,
    "functools.partial": lambda marker: Calls(functools.partial(os.mkdir, str(marker))),
    "pickle in a storage": lambda marker: Calls(
        pickle.loads,
        Calls(bytes, list(pickle.dumps(Calls(os.system, f"touch {marker}")))),
    ),
    "a map over a method": lambda marker: Calls(list, Calls(map, os.mkdir, [str(marker)])),
    "another file": _load_of_another_file,
    "arguments of a tensor": lambda marker: Calls(
        torch._utils._rebuild_tensor_v2, Calls(os.system, f"touch {marker}")
    ),
}
assert len(PAYLOADS) >= 10


def with_payload(run: Run, payload: Any, where: str) -> bytes:
    """Return the run's newest checkpoint with ``payload`` added and a valid seal."""
    state = checkpoint.load(run.checkpoints[-1])
    part = state
    for key in where.split("/"):
        part = part[key]
    part["payload"] = payload
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return checkpoint.seal(buffer.getvalue())


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path / "marker"


@pytest.mark.parametrize("where", ["config", "engine/G"])
@pytest.mark.parametrize("name", PAYLOADS)
def test_code_in_a_checkpoint_is_not_run(
    name: str,
    where: str,
    tiny_run: Run,
    marker: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = with_payload(tiny_run, PAYLOADS[name](marker), where)

    # Verify that the payload works: it runs if torch.load is called without weights_only.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", list(sys.path))
        try:
            torch.load(io.BytesIO(data), weights_only=False)
        except Exception as error:  # the payload has already run
            print(error)
    assert marker.exists()
    marker.rmdir() if marker.is_dir() else marker.unlink()
    for module in [module for module in sys.modules if module.startswith("evil_")]:
        del sys.modules[module]

    path = tmp_path / "x.pt"
    path.write_bytes(data)
    with pytest.raises(GanctlError, match=r"more than tensors") as refused:
        checkpoint.load(path)
    assert refused.value.status == 4
    assert "weights_only" not in str(refused.value)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert_error(run(capsys, "sample", "--ckpt", path), 4, path, "more than tensors", "run code")
    assert_error(run(capsys, "train", "--resume", path), 4, path, "more than tensors", "run code")
    assert not marker.exists()
    assert sorted(tmp_path.iterdir()) == before


def test_checkpoint_with_code_in_a_run_folder_is_set_aside(
    tiny_run: Run, marker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Resume a run folder whose checkpoints contain code."""
    damaged = Run(shutil.copytree(tiny_run.path, tmp_path / "run"))
    data = with_payload(tiny_run, PAYLOADS["os.system"](marker), "config")
    for path in damaged.checkpoints:
        path.write_bytes(data)
    result = run(capsys, "train", "--resume", damaged.path)
    assert_error(result, 4, "No checkpoint", damaged.path)
    assert "more than tensors" in result.stderr
    assert_error(run(capsys, "sample", "--ckpt", damaged.path), 4, "more than tensors")
    assert not marker.exists()


@pytest.mark.slow
def test_command_does_not_run_code_in_a_checkpoint(
    tiny_run: Run, marker: Path, tmp_path: Path, ganctl: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Run the command in a new process, in which no test has imported modules."""
    path = tmp_path / "x.pt"
    path.write_bytes(with_payload(tiny_run, PAYLOADS["os.system"](marker), "engine/G"))
    for args in (["sample", "--ckpt", path], ["train", "--resume", path]):
        result = ganctl(*args)
        assert result.returncode == 4
        assert result.stderr.startswith(
            f"error: {path} is not a ganctl checkpoint: it contains more than tensors"
        )
        assert "Traceback" not in result.stderr
    assert not marker.exists()


@pytest.mark.parametrize("value", [numpy.float64(1.0), Path("x"), print])
def test_harmless_but_unexpected_objects_are_refused(value: object, tiny_run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(with_payload(tiny_run, value, "config"))
    with pytest.raises(GanctlError) as refused:
        checkpoint.load(path)
    assert refused.value.status == 4
