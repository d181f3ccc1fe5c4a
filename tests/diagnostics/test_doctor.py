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


def test_a_sound_installation_can_train(tmp_path: Path) -> None:
    found = doctor.examine(tmp_path)
    assert found.can_train, found.problems
    assert found.facts["torch"]["torch"].startswith(metadata.version("torch").partition("+")[0])
    assert found.facts["torch"]["torchvision fits"] is True
    assert found.facts["ganctl"]["numpy"] == metadata.version("numpy")
    assert str(tmp_path) in found.facts["disk"]["data root"]
    assert "free" in found.facts["disk"]["cache"]
    assert set(found.facts["plugins"]) >= {"gan", "dcgan", "losses", "optim", "vision"}


def test_the_command(ganctl: Run, tmp_path: Path) -> None:
    install(tmp_path, "acme", "raise ValueError('no such luck')")
    environment = {"PYTHONPATH": str(tmp_path)}
    text = ganctl("doctor", "--data-root", tmp_path / "nowhere", env=environment)
    assert text.returncode == 0, "a stranger's broken plugin stops no training"
    assert text.stderr == ""
    assert "warning  The plugin 'acme' of acme 1.0 is broken: ValueError: no such luck" in text.stdout
    assert "(not there yet)" in text.stdout
    assert text.stdout.rstrip().endswith("Training can start.")


def test_the_command_for_scripts() -> None:
    result = CliRunner().invoke(command, ["--json"])
    assert result.exit_code == 0
    told = json.loads(result.output)
    assert told["can_train"] is True
    assert told["problems"] == []
    assert told["torch"]["torch"]


def doctor_beside(ganctl: Run, folder: Path, **modules: str) -> dict[str, object]:
    """What the doctor says where ``modules`` come before the installed ones."""
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source)
    result = ganctl("doctor", "--json", env={"PYTHONPATH": str(folder)})
    assert result.returncode == 1, result.stderr
    told = json.loads(result.stdout)
    assert told["can_train"] is False
    assert isinstance(told, dict)
    return told


def test_a_torchvision_that_does_not_fit_names_both_versions_and_the_remedy(
    ganctl: Run, tmp_path: Path
) -> None:
    source = "raise RuntimeError('operator torchvision::nms does not exist')"
    told = doctor_beside(ganctl, tmp_path, torchvision=source)
    (problem,) = told["problems"]  # type: ignore[misc]
    torch, torchvision = metadata.version("torch"), metadata.version("torchvision")
    assert f"torchvision {torchvision} cannot be imported beside torch {torch}" in problem["text"]
    assert "torchvision::nms" in problem["text"]
    assert "it asks for torch" in problem["text"]
    assert f"torchvision torch=={torch.partition('+')[0]}" in problem["hint"]
    assert told["torch"]["torchvision fits"] is False  # type: ignore[index]


def test_a_torch_that_cannot_be_imported(ganctl: Run, tmp_path: Path) -> None:
    told = doctor_beside(
        ganctl, tmp_path, torch="raise OSError('libcudart.so.13: cannot open shared object file')"
    )
    texts = [problem["text"] for problem in told["problems"]]  # type: ignore[attr-defined]
    assert any(text.startswith("torch ") and "libcudart.so.13" in text for text in texts)
    assert set(told["plugins"]) >= {"gan", "dcgan"}  # type: ignore[arg-type]


def test_what_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    version = metadata.version

    def without_rich(name: str) -> str:
        if name == "rich":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without_rich)
    found = doctor.examine(tmp_path)
    assert not found.can_train
    assert [problem.hint for problem in found.problems] == ["pip install rich"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_working_folder_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o500)
    assert not doctor.examine(tmp_path).can_train
    tmp_path.chmod(0o700)


def test_looking_that_fails_is_a_problem_and_no_crash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail() -> str:
        raise RuntimeError("the unforeseen")

    monkeypatch.setattr(doctor, "_cpu_model", fail)
    found = doctor.examine(tmp_path)
    assert found.facts["processor"] == {}
    assert "the unforeseen" in found.problems[0].text
    assert found.can_train


def test_without_plugins_nothing_can_be_trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    discover = doctor.discovery.discover
    monkeypatch.setattr(doctor.discovery, "discover", lambda: discover([]))
    found = doctor.examine(tmp_path)
    assert not found.can_train
    assert "not even ganctl's own" in found.problems[0].text


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for nvidia-smi")
@pytest.mark.parametrize(
    ("answer", "version"), [("echo 580.65.06", "580.65.06"), ("echo broken; exit 9", None)]
)
def test_the_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, version: str | None
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{answer}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    if version is None and Path("/proc/driver/nvidia/version").exists():
        pytest.skip("this machine's kernel knows its driver")
    assert doctor._driver() == version


@pytest.mark.cuda
def test_cuda_devices_are_told(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    found = doctor.examine(tmp_path)
    assert torch.cuda.get_device_name(0) in found.facts["devices"]["cuda:0"]
    assert "free of" in found.facts["devices"]["cuda:0"]
