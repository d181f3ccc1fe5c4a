"""Test the selection of installed plugins, either for one command or permanently."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.plugin_distributions import LOSS, install

from ganctl import GanctlError
from ganctl.plugin import enabled_plugins

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install two distributions, acme and Zeta_Lab, with one loss each, and create a folder for settings."""
    site = tmp_path / "site"
    site.mkdir()
    install(site, "acme", LOSS.format(module="acme"))
    install(
        site,
        "Zeta_Lab",
        LOSS.format(module="Zeta_Lab").replace('"my-loss"', '"zeta"'),
        entry_point="zl = Zeta_Lab",
    )
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
    monkeypatch.setenv("GANCTL_CONFIG", str(tmp_path / "config"))
    return tmp_path


def losses(ganctl: Run, *before: str, **env: str) -> set[str]:
    result = ganctl(*before, "list", "losses", "--json", env=env)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return {item["name"] for item in json.loads(result.stdout)}


def test_environment_variable_selects_plugins_in_addition_to_builtin_plugins(two: Path, ganctl: Run) -> None:
    assert losses(ganctl) >= {"my-loss", "zeta", "bce"}
    assert losses(ganctl, GANCTL_PLUGINS="acme") & {"my-loss", "zeta", "bce"} == {"my-loss", "bce"}
    for name in ("zl", "zeta-lab", "Zeta_Lab", "zeta.lab:zl", "none, zl"):
        assert losses(ganctl, GANCTL_PLUGINS=name) & {"my-loss", "zeta", "bce"} == {"zeta", "bce"}
    assert losses(ganctl, GANCTL_PLUGINS=" ") >= {"my-loss", "zeta", "bce"}, "an empty variable has no effect"


def test_no_plugins_option_loads_only_builtin_plugins(two: Path, ganctl: Run) -> None:
    assert losses(ganctl, "--no-plugins") & {"my-loss", "zeta", "bce"} == {"bce"}
    assert losses(ganctl, "--no-plugins", GANCTL_PLUGINS="acme") & {"my-loss", "bce"} == {"bce"}


def test_json_contains_the_reason_for_not_loading_a_plugin(two: Path, ganctl: Run) -> None:
    output = ganctl("plugins", "--json", env={"GANCTL_PLUGINS": "acme"}).stdout
    reasons = {plugin["distribution"]: plugin["not_loaded"] for plugin in json.loads(output)}
    assert reasons == {"acme": None, "ganctl": None, "Zeta_Lab": "not in GANCTL_PLUGINS"}


def test_unknown_name_in_the_environment_variable_causes_a_warning(two: Path, ganctl: Run) -> None:
    result = ganctl("list", "losses", env={"GANCTL_PLUGINS": "acme,acne"})
    assert result.stderr == "warning: the plugin 'acne' in GANCTL_PLUGINS is not installed\n"


def test_plugin_is_disabled_until_it_is_enabled(two: Path, ganctl: Run) -> None:
    done = ganctl("plugins", "disable", "Acme")
    assert (done.returncode, done.stderr) == (0, "")
    assert losses(ganctl) & {"my-loss", "zeta", "bce"} == {"zeta", "bce"}
    (row,) = [line for line in ganctl("plugins").stdout.splitlines() if line.startswith("acme")]
    assert "NOT LOADED: disabled. Enable it: ganctl plugins enable acme" in row
    assert "acme 1.0, disabled" in ganctl("doctor").stdout
    # A disabled plugin is loaded if the environment variable contains its name.
    assert "my-loss" in losses(ganctl, GANCTL_PLUGINS="acme")

    missing = ganctl("info", "my-loss", "--kind", "loss")
    assert missing.returncode == 2
    training = ganctl("train", "--model", "gan", "--data", "glyphs", "--loss", "my-loss")
    assert training.returncode == 2
    assert "Plugins that are not loaded: acme (disabled). See: ganctl plugins" in training.stderr

    assert ganctl("plugins", "enable", "acme").returncode == 0
    assert "my-loss" in losses(ganctl)
    again = ganctl("plugins", "enable", "acme")
    assert again.returncode == 2
    assert again.stderr.startswith("error: 'acme' is not disabled.")


def test_builtin_plugins_and_whole_distributions_can_be_disabled(two: Path, ganctl: Run) -> None:
    assert ganctl("plugins", "disable", "r3gan").returncode == 0
    assert ganctl("plugins", "disable", "zeta-lab").returncode == 0
    models = ganctl("list", "models").stdout
    assert "dcgan" in models
    assert "r3gan" not in models
    assert losses(ganctl) & {"my-loss", "zeta"} == {"my-loss"}


def test_disabling_an_unknown_plugin_is_an_error(two: Path, ganctl: Run) -> None:
    result = ganctl("plugins", "disable", "acne")
    assert result.returncode == 2
    assert result.stderr == "error: There is no plugin 'acne'.\nhint: Did you mean 'acme'?\n"
    assert not (two / "config").exists()


def test_disabled_names_are_written_atomically(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANCTL_CONFIG", str(tmp_path))
    enabled_plugins.write_disabled(["b", "a"])
    assert enabled_plugins.read_disabled() == ["a", "b"]

    def fails(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(GanctlError, match="No space left"):
        enabled_plugins.write_disabled([])
    assert enabled_plugins.read_disabled() == ["a", "b"]
    assert [path.name for path in tmp_path.iterdir()] == ["plugins.toml"]


@pytest.mark.parametrize("text", ["disabled = 'acme'", "disabled = [1]", "disabled ="])
def test_error_for_a_damaged_file_contains_its_name(tmp_path: Path, ganctl: Run, text: str) -> None:
    (tmp_path / "plugins.toml").write_text(text)
    result = ganctl("list", "losses", env={"GANCTL_CONFIG": str(tmp_path)})
    assert result.returncode == 2
    assert str(tmp_path / "plugins.toml") in result.stderr
    assert len(result.stderr.splitlines()) == 2
