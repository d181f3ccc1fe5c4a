"""Test ``ganctl doctor`` and its checks of an installation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers.plugin_distributions import install

from ganctl.cli.doctor import doctor as command
from ganctl.diagnostics import doctor

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_working_installation_can_train(tmp_path: Path) -> None:
    found = doctor.examine(tmp_path)
    assert found.can_train, found.problems
    assert found.facts["torch"]["torch"].startswith(metadata.version("torch").partition("+")[0])
    assert found.facts["torch"]["torchvision matches"] is True
    assert found.facts["ganctl"]["numpy"] == metadata.version("numpy")
    assert str(tmp_path) in found.facts["disk"]["data root"]
    assert "free" in found.facts["disk"]["cache"]
    assert set(found.facts["plugins"]) >= {"gan", "dcgan", "losses", "optim", "vision"}


def test_command_prints_warnings_and_result(ganctl: Run, tmp_path: Path) -> None:
    install(tmp_path, "acme", "raise ValueError('no such luck')")
    environment = {"PYTHONPATH": str(tmp_path)}
    text = ganctl("doctor", "--data-root", tmp_path / "nowhere", env=environment)
    assert text.returncode == 0, "a broken third-party plugin does not prevent training"
    assert text.stderr == ""
    assert "warning  The plugin 'acme' of acme 1.0 is broken: ValueError: no such luck" in text.stdout
    assert "(does not exist yet)" in text.stdout
    assert text.stdout.rstrip().endswith("Training can start.")


def test_each_section_is_shown_immediately(tmp_path: Path) -> None:
    """Importing torch blocks until this test has read the sections shown before the import."""
    go = tmp_path / "go"
    (tmp_path / "torch.py").write_text(
        f"import pathlib, time\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\n"
        "raise ImportError('slow')\n"
    )
    ours, terminal = os.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "ganctl", "doctor"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]), "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
    )
    try:
        assert child.stdout
        lines = list(iter(child.stdout.readline, "\n"))
        assert lines[0] == "ganctl\n"
        assert any(line.split()[0] == "python" for line in lines)
        progress = b""
        while b"Checking torch" not in progress:
            progress += os.read(ours, 1000)
        assert child.poll() is None
        go.touch()
        rest = child.stdout.read()
        assert child.wait(timeout=60) == 1
        assert rest.startswith("torch\n")
        assert "cannot be imported: ImportError: slow" in " ".join(rest.split())
    finally:
        go.touch()
        child.wait(timeout=60)
        os.close(ours)
        os.close(terminal)


def test_command_writes_json() -> None:
    result = CliRunner().invoke(command, ["--json"])
    assert result.exit_code == 0
    report = json.loads(result.output)
    assert report["can_train"] is True
    assert report["problems"] == []
    assert report["torch"]["torch"]


def doctor_with_modules(ganctl: Run, folder: Path, **modules: str) -> dict[str, object]:
    """Return the JSON of ``ganctl doctor`` with ``modules`` in place of installed modules."""
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source)
    result = ganctl("doctor", "--json", env={"PYTHONPATH": str(folder)})
    assert result.returncode == 1, result.stderr
    report = json.loads(result.stdout)
    assert report["can_train"] is False
    assert isinstance(report, dict)
    return report


def test_incompatible_torchvision_is_reported_with_versions_and_fix(ganctl: Run, tmp_path: Path) -> None:
    source = "raise RuntimeError('operator torchvision::nms does not exist')"
    report = doctor_with_modules(ganctl, tmp_path, torchvision=source)
    (problem,) = report["problems"]  # type: ignore[misc]
    torch, torchvision = metadata.version("torch"), metadata.version("torchvision")
    assert f"torchvision {torchvision} cannot be imported with torch {torch}" in problem["text"]
    assert "torchvision::nms" in problem["text"]
    assert "it requires torch" in problem["text"]
    assert f"torchvision torch=={torch.partition('+')[0]}" in problem["hint"]
    assert report["torch"]["torchvision matches"] is False  # type: ignore[index]


def test_torch_that_cannot_be_imported_is_reported(ganctl: Run, tmp_path: Path) -> None:
    report = doctor_with_modules(
        ganctl, tmp_path, torch="raise OSError('libcudart.so.13: cannot open shared object file')"
    )
    texts = [problem["text"] for problem in report["problems"]]  # type: ignore[attr-defined]
    assert any(text.startswith("torch ") and "libcudart.so.13" in text for text in texts)
    assert set(report["plugins"]) >= {"gan", "dcgan"}  # type: ignore[arg-type]


def test_missing_library_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    version = metadata.version

    def without_rich(name: str) -> str:
        if name == "rich":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without_rich)
    found = doctor.examine(tmp_path)
    assert not found.can_train
    assert [problem.hint for problem in found.problems] == ["pip install rich"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root can write to every folder")
def test_read_only_working_folder_prevents_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o500)
    assert not doctor.examine(tmp_path).can_train
    tmp_path.chmod(0o700)


def test_error_during_a_check_is_reported_as_a_problem(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail() -> str:
        raise RuntimeError("unexpected")

    monkeypatch.setattr(doctor, "_cpu_model", fail)
    found = doctor.examine(tmp_path)
    assert found.facts["processor"] == {}
    assert "unexpected" in found.problems[0].text
    assert found.can_train


def test_installation_without_plugins_cannot_train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    discover = doctor.discovery.discover
    monkeypatch.setattr(doctor.discovery, "discover", lambda: discover([]))
    found = doctor.examine(tmp_path)
    assert not found.can_train
    assert "not even ganctl's own" in found.problems[0].text


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script replaces nvidia-smi")
@pytest.mark.parametrize(
    ("script", "version"), [("echo 580.65.06", "580.65.06"), ("echo broken; exit 9", None)]
)
def test_driver_version_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, version: str | None
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    if version is None and Path("/proc/driver/nvidia/version").exists():
        pytest.skip("the kernel of this machine reports a driver version")
    assert doctor._driver() == version


@pytest.mark.cuda
def test_cuda_devices_are_described(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    found = doctor.examine(tmp_path)
    assert torch.cuda.get_device_name(0) in found.facts["devices"]["cuda:0"]
    assert "free of" in found.facts["devices"]["cuda:0"]
