"""Test that damaged metadata of an unrelated package does not break any command."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.plugin_distributions import LOSS, install

from ganctl.plugin import discovery, installed_entry_points

Run = Callable[..., subprocess.CompletedProcess[str]]

DAMAGED = {
    "malformed": b"[console_scripts]\nthis line has no equals sign\n",
    "UTF-16": "[console_scripts]\nforeign = foreign:main\n".encode("utf-16"),
    "binary": bytes(range(128, 256)),
}


@pytest.fixture(params=DAMAGED)
def foreign(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The dist-info folder of a package that is not a plugin and whose entry_points.txt cannot be read."""
    site = tmp_path / "site"
    info = site / "foreign-2.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 2.0\n")
    (info / "entry_points.txt").write_bytes(DAMAGED[request.param])
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=":")
    return info


@pytest.mark.parametrize("command", [("list", "losses"), ("--no-plugins", "list", "losses")], ids=" ".join)
def test_one_warning_contains_the_name_of_the_damaged_package(
    foreign: Path, ganctl: Run, command: tuple[str, ...]
) -> None:
    result = ganctl(*command)
    assert result.returncode == 0, result.stderr
    assert "wgan-gp" in result.stdout
    (warning,) = result.stderr.splitlines()
    assert warning.startswith(f"warning: {foreign} has an unreadable entry_points.txt (")


def test_plugins_and_doctor_commands_show_the_damaged_package(foreign: Path, ganctl: Run) -> None:
    plugins = ganctl("plugins", "--json")
    assert plugins.returncode == 0
    assert {"losses", "dcgan"} <= {plugin["name"] for plugin in json.loads(plugins.stdout)}
    assert str(foreign) in plugins.stderr
    doctor = json.loads(ganctl("doctor", "--json").stdout)
    (problem,) = [p for p in doctor["problems"] if str(foreign) in p["text"]]
    assert not problem["essential"]
    assert "torch" not in "".join(
        p["text"] for p in doctor["problems"]
    )  # importing torch also reads entry points


def test_training_works_with_a_damaged_package(foreign: Path, tmp_path: Path) -> None:
    # Use a new process, because a forked process would already have imported torch.
    args = (
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
    command = [sys.executable, "-m", "ganctl", *args, "--tracker", "none", "--out", "run"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("entry_points.txt") == 1
    sample = [sys.executable, "-m", "ganctl", "sample", "--ckpt", "run", "--out", "grid.png"]
    result = subprocess.run(sample, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr


def test_plugin_with_damaged_metadata_is_named_after_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    install(tmp_path, "acme", LOSS.format(module="acme"))
    (tmp_path / "acme-1.0.dist-info" / "METADATA").write_bytes("Name: acme\n".encode("utf-16"))
    (acme,) = [plugin for plugin in discovery.discover().all if plugin.name == "acme"]
    assert acme.origin == "acme 1.0"
    assert not acme.error


def test_first_distribution_with_a_name_takes_precedence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, empty = (tmp_path / name for name in ("old", "new", "empty"))
    for folder in (old, new, empty):
        folder.mkdir()
    install(old, "acme", "", entry_point="before = acme")
    install(new, "acme", "", entry_point="after = acme", version="2.0")
    install(empty, "acme", "", version="3.0")
    (empty / "acme-3.0.dist-info" / "entry_points.txt").unlink()
    monkeypatch.syspath_prepend(str(old))
    monkeypatch.syspath_prepend(str(new))
    names = [point.name for point in installed_entry_points.read("ganctl")[0]]
    assert "after" in names
    assert "before" not in names
    monkeypatch.syspath_prepend(str(empty))
    assert "after" not in [point.name for point in installed_entry_points.read("ganctl")[0]]
