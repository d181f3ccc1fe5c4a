"""Numbers and paths on the command line: all options refuse invalid values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from ganctl.cli import COMMANDS
from ganctl.cli.number_types import Number, Numbers
from ganctl.cli.path_type import PathType
from ganctl.config.ranges import OR_NONE, RANGES
from ganctl.config.settings import DEFAULTS, TYPES
from ganctl.errors import USAGE

RunCli = Callable[..., tuple[int, str]]
INVALID = ["nan", "inf", "-inf", "-1", str(10**30), "", "many"]
#: Maps (command, option, value) to the reason why the value is valid.
VALID = {
    ("traverse", "--values", "-1"): "values of z may be negative",
    **{
        (name, "--c", "-1"): "conditions may be negative"
        for name in ("sample", "traverse", "interpolate", "explore")
    },
}


def commands() -> Iterator[tuple[str, click.Command]]:
    for name, command in COMMANDS.items():
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {sub}", each) for sub, each in command.commands.items())


def parameters(kind: type | tuple[type, ...]) -> list[tuple[str, click.Parameter]]:
    return [(name, p) for name, command in commands() for p in command.params if isinstance(p.type, kind)]


def label(value: object) -> str:
    return value.opts[-1] if isinstance(value, click.Parameter) else str(value)


@pytest.mark.parametrize(("command", "option"), parameters((Number, Numbers)), ids=label)
def test_invalid_numbers_are_refused(command: str, option: click.Parameter, run_cli: RunCli) -> None:
    name = option.opts[-1]
    for value in INVALID:
        if (command, name, value) in VALID:
            continue
        status, errors = run_cli(*command.split(), f"{name}={value}")
        assert status == USAGE, value
        error, hint = errors.splitlines()
        assert error.startswith(f"error: Invalid value for '{name}'"), value
        assert f"{value!r} is not a " in error
        assert option.type.allowed.limits in error  # type: ignore[attr-defined]
        assert hint == f"hint: See: ganctl {command} --help"


def test_valid_exceptions_name_existing_options() -> None:
    existing = {(name, p.opts[-1]) for name, p in parameters((Number, Numbers))}
    assert {(command, option) for command, option, _ in VALID} <= existing


@pytest.mark.parametrize(("command", "path"), parameters(click.Path), ids=label)
def test_empty_paths_are_refused(command: str, path: click.Parameter, run_cli: RunCli) -> None:
    assert isinstance(path.type, PathType)
    given = [""] if isinstance(path, click.Argument) else [path.opts[-1], ""]
    status, errors = run_cli(*command.split(), *given)
    assert status == USAGE
    assert "The path is empty. Write . for the current folder." in errors.splitlines()[0]


@pytest.mark.parametrize("option", ["--model", "--data", "--loss", "--metric", "--tracker"])
def test_empty_names_are_refused(option: str, run_cli: RunCli) -> None:
    status, errors = run_cli("train", option, "")
    assert status == USAGE
    assert f"Invalid value for '{option}': The name is empty." in errors


def test_no_option_uses_number_types_from_click() -> None:
    builtin = (click.types.IntParamType, click.types.FloatParamType)
    assert [(name, p.opts[-1]) for name, p in parameters(builtin)] == []


def test_every_numeric_setting_has_a_range() -> None:
    numbers = {name for name, kind in TYPES.items() if kind in (int, float, int | None, float | None)}
    assert numbers == set(RANGES)
    assert {name for name in numbers if TYPES[name] in (int | None, float | None)} == OR_NONE
    for name, allowed in RANGES.items():
        default = DEFAULTS.get(name)
        assert default is None or default in allowed


@pytest.mark.parametrize(("command", "option"), parameters((Number, Numbers)), ids=label)
def test_help_shows_the_range_of_each_number(command: str, option: click.Parameter) -> None:
    assert isinstance(option, click.Option)
    assert f"[{option.type.allowed.limits}" in (option.help or "")  # type: ignore[attr-defined]


def test_only_optional_settings_accept_none(run_cli: RunCli, tmp_path: Path) -> None:
    for option in ("--ema", "--image-size", "--checkpoint-every"):
        _, errors = run_cli("train", option, "none", "--data", tmp_path / "missing")
        assert "No model was given" in errors
    _, errors = run_cli("train", "--batch-size", "none")
    assert "Invalid value for '--batch-size': 'none' is not a whole number from 1 to 1,000,000." in errors
