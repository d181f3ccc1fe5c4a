"""Test that system errors are reported as system errors, not as errors of a component or as bugs."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ganctl.errors import RESOURCES, GanctlError
from ganctl.plugin.discovery import registry
from ganctl.plugin.error_messages import explain
from ganctl.recipe import Spec
from ganctl.system.environment_errors import environment_error, require_temporary_folder
from ganctl.training import components

TRAIN = (
    "train",
    "--model",
    "gan",
    "--data",
    "glyphs",
    "-o",
    "data.n=32",
    "--batch-size",
    "8",
    "--steps",
    "1",
)
WITHOUT_TEMPORARY_FOLDER = """
import sys, tempfile
tempfile._candidate_tempdir_list = lambda: ["/nonexistent/folder"]
from ganctl.cli import main
main(sys.argv[1:])
"""


@pytest.fixture
def no_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nonexistent/folder"])


@pytest.mark.parametrize(
    "command",
    [(*TRAIN, "--out", "run"), ("plugins", "check", "optim"), ("doctor",)],
    ids=lambda args: args[0],
)
def test_error_for_a_missing_temporary_folder_contains_its_path(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_TEMPORARY_FOLDER, *command],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": "/nonexistent/folder", "GANCTL_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == (1 if command[0] == "doctor" else RESOURCES)
    output = " ".join((result.stdout + result.stderr).split())
    assert "There is no writable temporary folder: TMPDIR is /nonexistent/folder." in output
    assert "Set the environment variable TMPDIR to a writable folder" in output
    assert "adam" not in output
    assert "bug" not in output
    assert "pip install" not in output
    assert not (tmp_path / "run").exists()


def test_temporary_folder_is_required(no_temporary_folder: None) -> None:
    with pytest.raises(GanctlError, match="no writable temporary folder") as error:
        require_temporary_folder()
    assert error.value.status == RESOURCES


def test_system_error_is_not_reported_as_an_error_of_the_component(
    no_temporary_folder: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**options: object) -> None:
        try:
            tempfile.gettempdir()
        except FileNotFoundError as error:
            raise ImportError("half imported") from error

    monkeypatch.setattr("ganctl.plugin.options.call", lambda *args, **options: fail())
    with pytest.raises(GanctlError) as error:
        components.build(registry(), "optimizer", Spec("adam", lr=1e-3), params=[])
    assert "adam" not in error.value.message
    assert "TMPDIR" in error.value.hint


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "ulimit -u"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "ulimit -v"),
    ],
)
def test_exceeded_system_limits_are_not_reported_as_bugs(error: Exception, hint: str) -> None:
    message, given, status = explain(error)
    assert "Error" not in message
    assert hint in given
    assert status == RESOURCES


def test_deleted_working_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(FileNotFoundError) as error:
        Path.cwd()
    known = environment_error(error.value)
    assert known
    assert known.message == "The current folder was deleted."


def test_other_errors_are_not_reported_as_system_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        (tmp_path / "x").read_bytes()
    assert environment_error(error.value) is None
    assert environment_error(FileNotFoundError("no file called x")) is None


def test_setting_that_is_not_utf8_is_refused_before_a_folder_is_created(
    tmp_path: Path, run_cli: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    data = Path(os.fsdecode(b"caf\xe9"))
    try:
        data.mkdir()
    except OSError:
        pytest.skip("this file system requires UTF-8")
    for i in range(8):
        Image.new("L", (28, 28), i).save(data / f"{i}.png")
    status, errors = run_cli(*TRAIN[:3], "--data", data, "--batch-size", 8, "--steps", 1, "--quiet")
    assert status == 2
    assert r"caf\udce9' is not UTF-8" in errors
    assert not Path("runs").exists()
