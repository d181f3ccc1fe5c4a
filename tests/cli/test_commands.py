"""Test the command group: built-in commands, plugin commands, and shell completion."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers.plugin_distributions import COMMAND, install

from ganctl import __version__
from ganctl.cli import COMMANDS, cli
from ganctl.cli.completion import LINES

Run = Callable[..., subprocess.CompletedProcess[str]]
BROKEN = "raise ValueError('no such luck')"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder from which the processes started by this test can import."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    return folder


def test_help_shows_every_command(ganctl: Run) -> None:
    bare, long, short = ganctl(), ganctl("--help"), ganctl("-h")
    assert bare.stdout == long.stdout == short.stdout
    assert bare.returncode == 0
    names = {line.split()[0] for line in long.stdout.splitlines() if line.startswith("  ")}
    assert set(COMMANDS) <= names


def test_every_command_has_help(ganctl: Run) -> None:
    for name in COMMANDS:
        result = CliRunner().invoke(cli, [name, "--help"])
        assert result.exit_code == 0
        assert result.output.startswith(f"Usage: cli {name}")
        assert COMMANDS[name].help


def test_version_option_prints_the_version(ganctl: Run) -> None:
    assert ganctl("--version").stdout == f"ganctl {__version__}\n"


def test_plugin_command_is_listed_and_runs(ganctl: Run, site: Path) -> None:
    install(site, "acme", COMMAND.format(module="acme"))
    help_page = ganctl("--help").stdout
    assert "From plugins:\n  hello  " in help_page
    assert ganctl("hello").stdout == "hello from acme\n"
    assert "Say hello." in ganctl("hello", "--help").stdout


def test_help_works_with_a_broken_plugin(ganctl: Run, site: Path) -> None:
    install(site, "acme", BROKEN)
    result = ganctl("--help")
    assert result.returncode == 0
    assert "doctor" in result.stdout
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["report", "list"])
def test_plugin_command_with_the_name_of_a_builtin_command_is_renamed(
    name: str, ganctl: Run, site: Path
) -> None:
    source = COMMAND.replace("@click.command()", f"@click.command('{name}')").format(module="acme")
    install(site, "acme", source)
    warning = f"warning: '{name}' is a command of ganctl. The command of acme 1.0 is called acme:{name}"
    assert warning in ganctl(name).stderr.splitlines()
    assert "warning" not in ganctl("info", "dcgan").stderr
    assert ganctl(f"acme:{name}").stdout == "hello from acme\n"
    assert f"({name} is a command of ganctl; use acme:{name})" in " ".join(ganctl("plugins").stdout.split())


def test_help_of_builtin_commands_loads_no_plugin(ganctl: Run, site: Path) -> None:
    install(site, "acme", BROKEN)
    for name in COMMANDS:
        assert ganctl(name, "--help").stderr == ""


def test_plugin_cannot_replace_a_builtin_command(ganctl: Run, site: Path) -> None:
    install(
        site,
        "acme",
        COMMAND.format(module="acme")
        .replace("def hello", "def doctor")
        .replace("register(hello)", "register(doctor)"),
    )
    assert "Usage: ganctl doctor" in ganctl("doctor", "--help").stdout
    assert ganctl("acme:doctor").stdout == "hello from acme\n"
    assert "acme:doctor" in ganctl("--help").stdout


def test_ambiguous_command_fails_only_when_it_is_used(ganctl: Run, site: Path) -> None:
    for module in ("acme", "other"):
        install(site, module, COMMAND.format(module=module))
    assert ganctl("list").returncode == 0
    result = ganctl("hello")
    assert result.returncode == 2
    error, hint = result.stderr.splitlines()
    assert "acme 1.0" in error
    assert "other 1.0" in error
    assert hint == "hint: Choose one: acme:hello or other:hello"
    assert ganctl("other:hello").stdout == "hello from other\n"


def test_plugins_are_listed_with_components_and_errors(ganctl: Run, site: Path) -> None:
    install(site, "acme", BROKEN)
    install(site, "hi", COMMAND.format(module="hi"))
    result = ganctl("plugins")
    assert (result.returncode, result.stderr) == (0, "")
    rows = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert "BROKEN: ValueError: no such luck" in rows["acme"]
    assert "commands: hello" in rows["hi"]
    assert "models: dcgan" in rows["dcgan"]

    items = {item["name"]: item for item in json.loads(ganctl("plugins", "--json").stdout)}
    assert items["acme"]["error"] == "ValueError: no such luck"
    assert items["acme"]["registers"] == {}
    assert items["dcgan"]["error"] is None
    assert items["dcgan"]["entry_point"] == "ganctl_dcgan"
    assert items["dcgan"]["distribution"] == "ganctl"
    assert items["dcgan"]["load_ms"] > 0
    assert items["hi"]["registers"] == {"commands": ["hello"]}


@pytest.mark.parametrize("shell", LINES)
def test_completion_prints_one_line(ganctl: Run, shell: str) -> None:
    result = ganctl("completion", shell)
    assert f"_GANCTL_COMPLETE={shell}_source" in result.stdout
    assert len(result.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ganctl lis", "plain,list"),
        ("ganctl list los", "plain,losses"),
        ("ganctl hel", "plain,hello"),
        ("ganctl train --mod", "plain,--model"),
        ("ganctl train --model dcg", "plain,dcgan"),
        ("ganctl train --loss hi", "plain,hinge"),
        ("ganctl train --data glyp", "plain,glyphs"),
        ("ganctl train --data ./images", "file,./images"),
        ("ganctl train --d-optimizer rm", "plain,rmsprop"),
        ("ganctl info rms", "plain,rmsprop"),
    ],
)
def test_shell_completion_suggests_the_expected_words(
    ganctl: Run, site: Path, words: str, expected: str
) -> None:
    install(site, "acme", BROKEN)
    install(site, "hi", COMMAND.format(module="hi"))
    environment = {
        "_GANCTL_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    result = ganctl(env=environment)
    assert expected in result.stdout.splitlines()
    assert result.stderr == "", "a warning would appear in the command line being typed"


def test_console_script_is_the_same_program() -> None:
    script = Path(sys.executable).parent / "ganctl"
    if not script.exists():
        pytest.skip("the console script is not installed next to this Python")
    result = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=60)
    assert result.stdout == f"ganctl {__version__}\n"
