"""Settings as a command line gives them: ``-o PART.OPTION=VALUE`` as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ganctl.config.resolve import data_spec
from ganctl.config.settings import COMPONENTS, LISTS
from ganctl.errors import USAGE, GanctlError, did_you_mean
from ganctl.plugin.registry import Registry


def with_options(
    given: dict[str, Any], component_options: Sequence[str], registry: Registry
) -> dict[str, Any]:
    """A layer of settings from a command line: ``given`` with each ``part.option=value`` in its part's table.

    Raises:
        GanctlError: one that is not of that form.
    """
    lists = {kind: name for name, kind in LISTS.items()}
    parts = [*COMPONENTS, "optimizer", "schedules", *lists]
    tables: dict[str, dict[str, Any]] = {}
    for text in component_options:
        key, equals, value = text.partition("=")
        part, dot, option = key.strip().replace("-", "_").partition(".")
        if not (equals and dot and option):
            raise GanctlError(
                f"-o {text} is not of the form PART.OPTION=VALUE.",
                "As in: -o generator.width=32",
                status=USAGE,
            )
        if part not in parts:
            raise GanctlError(
                f"-o {text}: there is no part '{part}'.",
                did_you_mean(part, parts),
                status=USAGE,
            )
        tables.setdefault(part, {})[option] = value
    for part, table in tables.items():
        name = given.get(part)
        if part in lists:
            given[lists[part]] = _with_list_options(part, given.get(lists[part], ()), table)
        elif part == "schedules":
            given[part] = table
        elif part == "data" and name is not None:
            given[part] = {**data_spec(registry, name), **table}
        else:
            given[part] = {**({"name": name} if name is not None else {}), **table}
    return given


def _with_list_options(kind: str, names: tuple[str, ...], table: dict[str, Any]) -> list[dict[str, Any]]:
    """The components ``names`` as tables, with the options that ``table`` has under ``name.option``."""
    tables: dict[str, dict[str, Any]] = {name: {"name": name} for name in names}
    for key, value in table.items():
        name, _, option = key.rpartition(".")
        if name not in tables:
            raise GanctlError(
                f"-o {kind}.{key}={value} is of no {kind} that is given here.",
                f"As in: --{kind} NAME -o {kind}.NAME.OPTION=VALUE",
                status=USAGE,
            )
        tables[name][option] = value
    return list(tables.values())
