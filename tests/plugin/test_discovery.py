"""Test the discovery of plugins. A broken plugin must not affect other commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
from helpers.plugin_distributions import LOSS, install

import ganctl
from ganctl.plugin import discovery
from ganctl.plugin.registry import KINDS

Run = Callable[..., subprocess.CompletedProcess[str]]

REGISTERS_HALF = """
    import ganctl

    @ganctl.hookimpl
    def register_losses(register):
        register("half-done", "acme:Loss", summary="Registered before the error")
        raise RuntimeError("half way")
"""
#: Maps each fault to the source of the module "acme" and to text that the error must contain.
BROKEN = {
    "raises at import": ("raise ValueError('no such luck')", "ValueError: no such luck"),
    "exits at import": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "missing dependency": ("import surely_not_installed", "ModuleNotFoundError"),
    "syntax error": ("def broken(:", "SyntaxError"),
    "error of several lines": ("raise ValueError('one\\n  two')", "ValueError: one two"),
    "raises half way": (REGISTERS_HALF, "RuntimeError: half way"),
    "misspelled hook": (
        "import ganctl\n@ganctl.hookimpl\ndef register_loses(register): pass",
        "register_losses",
    ),
    "wrong argument": (
        "import ganctl\n@ganctl.hookimpl\ndef register_losses(registry): pass",
        "registry",
    ),
    "no hook": ("def register_losses(register): pass", "does not implement a hook"),
    "bad name": (
        "import ganctl\n@ganctl.hookimpl\ndef register_losses(register): register('My Loss', 'a:b', summary='s')",
        "My Loss",
    ),
    "bad address": (
        "import ganctl\n@ganctl.hookimpl\ndef register_losses(register): register('x', 'acme.Loss', summary='s')",
        "module:attribute",
    ),
    "no summary": (
        "import ganctl\n@ganctl.hookimpl\ndef register_losses(register): register('x', 'acme:Loss')",
        "no summary",
    ),
    "neither address nor callable": (
        "import ganctl\n@ganctl.hookimpl\ndef register_losses(register): register('x', 7, summary='s')",
        "int is neither",
    ),
    "model of the wrong type": (
        "import ganctl\n@ganctl.hookimpl\ndef register_models(register): register({'name': 'x'})",
        "ganctl.Model, not dict",
    ),
    "command of the wrong type": (
        "import ganctl\n@ganctl.hookimpl\ndef register_commands(register): register(print)",
        "click.Command",
    ),
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder for installed distributions, from which this process and its child processes can import."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    for name in ("acme", "other"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield folder
    for name in ("acme", "other"):
        sys.modules.pop(name, None)


def own() -> list[EntryPoint]:
    return [point for point in entry_points(group="ganctl") if point.dist and point.dist.name == "ganctl"]


@pytest.mark.parametrize("fault", BROKEN)
def test_broken_plugin_registers_nothing_and_has_an_error(site: Path, fault: str) -> None:
    source, reason = BROKEN[fault]
    found = discovery.discover([*install(site, "acme", source), *own()])

    (broken,) = found.broken
    assert (broken.name, broken.distribution, broken.version) == ("acme", "acme", "1.0")
    assert reason in broken.error
    assert "\n" not in broken.error
    assert broken.exception is not None
    assert broken.components == []
    assert broken.commands == []
    assert not found.registry.find("loss", "half-done")
    assert found.registry.get("loss", "bce").distribution == "ganctl"


@pytest.mark.parametrize(
    "fault", ["exits at import", "raises half way", "wrong argument", "command of the wrong type"]
)
def test_broken_plugin_causes_one_warning_in_other_commands(site: Path, ganctl: Run, fault: str) -> None:
    install(site, "acme", BROKEN[fault][0])
    listing = ganctl("list", "losses")
    assert listing.returncode == 0
    assert "hinge" in listing.stdout
    (warning,) = listing.stderr.splitlines()
    assert warning.startswith("warning: plugin 'acme' of acme 1.0 cannot be loaded: ")
    assert BROKEN[fault][1] in warning

    table = ganctl("plugins")
    assert table.returncode == 0
    assert table.stderr == ""
    assert BROKEN[fault][1] in table.stdout


def test_strict_mode_turns_a_broken_plugin_into_an_error_with_its_cause(site: Path, ganctl: Run) -> None:
    install(site, "acme", BROKEN["raises half way"][0])
    strict = {"GANCTL_STRICT": "1"}
    result = ganctl("list", "losses", env=strict)
    assert result.returncode == 1
    assert result.stdout == ""
    error, hint = result.stderr.splitlines()
    assert error == "error: Plugin 'acme' of acme 1.0 cannot be loaded: RuntimeError: half way"
    assert "GANCTL_STRICT" in hint
    debug = ganctl("--debug", "list", "losses", env=strict)
    assert "acme.py" in debug.stderr  # the file in which the error was raised
    assert ganctl("plugins", env=strict).returncode == 0  # the command that shows the cause must still work


def test_plugin_without_metadata_is_loaded(site: Path) -> None:
    found = discovery.discover([*install(site, "acme", LOSS.format(module="acme"), metadata=False), *own()])
    assert not found.broken
    assert found.registry.get("loss", "my-loss").origin == "acme 1.0"


UNMARKED = """
    import ganctl
    from ganctl.plugin.hookspecs import register_datasets  # a specification is not a hook

    @ganctl.hookimpl
    def register_losses(register):
        register("my-loss", "acme:Loss", summary="A loss")

    def register_models(register):
        register(ganctl.Model(name="lost", summary="Never registered"))
"""


def test_hook_without_a_marker_is_reported_even_if_another_hook_is_marked(site: Path, ganctl: Run) -> None:
    install(site, "acme", UNMARKED)
    (acme,) = [plugin for plugin in discovery.discover().all if plugin.name == "acme"]
    assert acme.unmarked == ["register_models"]
    result = ganctl("list", "losses")
    assert "my-loss" in result.stdout
    assert result.stderr == (
        "warning: the function register_models of the plugin 'acme' of acme 1.0 is ignored, because it is not marked "
        "with @ganctl.hookimpl\n"
    )
    assert "register_models" in ganctl("plugins").stderr
    assert "register_models" in ganctl("doctor").stdout


def test_text_printed_by_a_plugin_does_not_corrupt_json_output(site: Path, ganctl: Run) -> None:
    install(site, "acme", "print('welcome')\n" + LOSS.format(module="acme").replace("\n    ", "\n"))
    result = ganctl("list", "losses", "--json")
    assert result.stdout.startswith("[")
    assert "my-loss" in result.stdout
    assert result.stderr.strip() == "welcome"


def test_name_registered_by_two_distributions_fails_only_when_it_is_used(site: Path) -> None:
    points = [
        *install(site, "acme", LOSS.format(module="acme")),
        *install(site, "Other", LOSS.format(module="other")),
    ]
    # The module's file name is spelled like the distribution's name.
    (site / "Other.py").rename(site / "other.py")
    points[1] = EntryPoint("other", "other", "ganctl")._for(points[1].dist)
    registry = discovery.discover([*points, *own()]).registry

    assert len([item for item in registry.all("loss") if item.name == "my-loss"]) == 2
    assert registry.get("loss", "bce").name == "bce"
    with pytest.raises(ganctl.GanctlError) as caught:
        registry.get("loss", "my-loss")
    assert "acme 1.0" in caught.value.message
    assert "Other 1.0" in caught.value.message
    assert "acme:my-loss" in caught.value.hint
    assert registry.get("loss", "acme:my-loss").load().__module__ == "acme"
    assert registry.get("loss", "other:my-loss").load().__module__ == "other"


def test_command_line_selects_one_of_two_distributions(site: Path, ganctl: Run) -> None:
    install(site, "acme", LOSS.format(module="acme"))
    install(site, "other", LOSS.format(module="other"))
    listing = ganctl("list", "losses")
    assert "acme:my-loss" in listing.stdout
    assert "other:my-loss" in listing.stdout
    assert listing.stderr == ""
    chosen = ganctl("info", "other:my-loss", "--json")
    assert '"distribution": "other"' in chosen.stdout
    assert '"distribution": "acme"' not in chosen.stdout


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("nowhere.at_all:Loss", "No module named 'nowhere'"),
        ("acme:Missing", "has no attribute 'Missing'"),
        ("explodes:Loss", "SystemExit: 9"),
    ],
)
def test_invalid_address_is_an_error_that_names_the_distribution(
    site: Path, ganctl: Run, address: str, reason: str
) -> None:
    source = LOSS.format(module="acme").replace("acme:MyLoss", address)
    install(site, "acme", source, explodes="import sys; sys.exit(9)")
    result = ganctl("info", "my-loss")
    assert result.returncode == 1
    assert "acme 1.0" in result.stdout
    assert reason in result.stdout
    assert "pip install -U acme" in result.stdout
    assert "Traceback" not in result.stderr
    training = ganctl("train", "--model", "gan-basic", "--data", "glyphs", "--loss", "my-loss")
    assert training.returncode == 1
    error, hint = training.stderr.splitlines()
    assert "acme 1.0" in error
    assert reason in error
    assert hint == "hint: Reinstall or update it: pip install -U acme"


def test_builtin_components_are_registered_only_through_entry_points() -> None:
    assert all(not discovery.discover([]).registry.names(kind) for kind in KINDS)
    found = discovery.discover(own())
    assert not found.broken
    assert {"gan-basic", "gan", "dcgan", "dcgan-upsample"} <= set(found.registry.names("model"))
    assert all(found.registry.names(kind) for kind in ("loss", "dataset", "optimizer"))
    for kind in KINDS:
        for item in found.registry.all(kind):
            assert item.distribution == "ganctl"
            assert item.version == ganctl.__version__
            assert item.load() is not None


def test_every_model_consists_of_registered_components() -> None:
    registry = discovery.discover(own()).registry
    for item in registry.all("model"):
        model = item.load()
        registry.get("generator", model.generator.name)
        registry.get("discriminator", model.discriminator.name)
        registry.get("loss", model.loss.name)
        registry.get("optimizer", model.g_optimizer.name)
        registry.get("optimizer", model.d_optimizer.name)


def test_entry_point_may_be_an_object_in_a_module(site: Path) -> None:
    source = """
        import ganctl

        class Plugin:
            @ganctl.hookimpl
            def register_losses(self, register):
                register("my-loss", "acme:Plugin", summary="Registered by a method")

        plugin = Plugin()
    """
    found = discovery.discover(install(site, "acme", source, entry_point="it = acme:plugin"))
    assert not found.broken
    assert found.registry.get("loss", "my-loss").plugin == "it"
    assert found.all[0].seconds > 0


def test_plugin_for_a_different_version_of_ganctl_is_not_loaded(site: Path) -> None:
    (broken,) = discovery.discover(
        install(site, "acme", LOSS.format(module="acme"), requires="ganctl (>=99,<100)")
    ).broken
    assert broken.error == (
        f"it requires ganctl <100,>=99, but ganctl {ganctl.__version__} is installed: pip install -U ganctl acme"
    )
    assert not broken.components


@pytest.mark.parametrize(
    "requires",
    [
        "ganctl",
        f"ganctl>={ganctl.__version__}",
        "ganctl[test]>=0.0.1",
        "ganctl-extra>=99",
        "ganctl>=99; python_version < '3'",
        "ganctl>=99; extra == 'future'",
        "ganctl>=not a version",
    ],
)
def test_plugin_for_this_version_of_ganctl_is_loaded(site: Path, requires: str) -> None:
    found = discovery.discover(install(site, "acme", LOSS.format(module="acme"), requires=requires))
    assert not found.broken
    assert found.registry.get("loss", "my-loss").distribution == "acme"


def test_slow_plugin_is_reported(site: Path, ganctl: Run) -> None:
    install(
        site, "acme", "import time; time.sleep(0.15)\n" + LOSS.format(module="acme").replace("\n    ", "\n")
    )
    (row,) = [line for line in ganctl("plugins").stdout.splitlines() if line.startswith("acme")]
    assert re.search(r"losses: my-loss \(slow: \d{3,} ms", row)
    assert re.search(r"warning  The plugin 'acme' of acme 1.0 is slow: \d{3,} ms", ganctl("doctor").stdout)
    assert ganctl("list", "losses").stderr == "", "other commands must not print the warning"


@pytest.mark.parametrize("how", ["import torch", "from torch import nn", "from ganctl import Loss"])
def test_plugin_that_imports_torch_when_it_registers_is_reported(site: Path, ganctl: Run, how: str) -> None:
    for name in ("acme", "other"):  # torch is already imported when the second plugin is loaded
        install(site, name, f"{how}\n" + LOSS.format(module=name).replace("\n    ", "\n"))
    rows = [line for line in ganctl("plugins").stdout.splitlines() if line.startswith(("acme", "other"))]
    first, second = rows
    assert "imports torch when it registers" in first
    assert ("imports torch when it registers" in second) == (how != "from ganctl import Loss")
    output = ganctl("doctor").stdout
    assert "The plugin 'acme' of acme 1.0 imports torch when it registers" in output


def test_builtin_plugins_do_not_import_torch_when_they_register(ganctl: Run) -> None:
    assert "imports torch" not in ganctl("plugins").stdout
