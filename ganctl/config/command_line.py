"""Convert the options ``-o PART.OPTION=VALUE`` of a command line to a layer of settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ganctl.config.settings import COMPONENTS, LISTS
from ganctl.config.shorthands import data_table
from ganctl.errors import USAGE, GanctlError, did_you_mean
from ganctl.plugin.names import setting_name
from ganctl.plugin.registry import Registry


def with_options(
    given: dict[str, Any], component_options: Sequence[str], registry: Registry
) -> dict[str, Any]:
    """Return ``given`` as a layer of settings, with each ``part.option=value`` in the table of its part.

    Args:
        given: settings by name.
        component_options: the texts of the options ``-o``.
        registry: components by name, to distinguish the name of a dataset from a path in ``data``.

    Raises:
        GanctlError: an option is not of the form ``part.option=value``, or there is no such part.
    """
    lists = {kind: name for name, kind in LISTS.items()}
    parts = [*COMPONENTS, "optimizer", "schedules", *lists]
    tables: dict[str, dict[str, Any]] = {}
    for text in component_options:
        key, equals, value = text.partition("=")
        part, dot, option = setting_name(key.strip()).partition(".")
        if not (equals and dot and option):
            raise GanctlError(
                f"-o {text} is not of the form PART.OPTION=VALUE.",
                "Example: -o generator.width=32",
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
            given[part] = {**data_table(registry, name), **table}
        else:
            given[part] = {**({"name": name} if name is not None else {}), **table}
    return given


def _with_list_options(kind: str, names: tuple[str, ...], table: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the components ``names`` as tables, with the options in ``table``, whose keys are ``name.option``."""
    tables: dict[str, dict[str, Any]] = {name: {"name": name} for name in names}
    for key, value in table.items():
        name, _, option = key.rpartition(".")
        if name not in tables:
            raise GanctlError(
                f"-o {kind}.{key}={value}: no --{kind} {name or 'NAME'} was given.",
                f"Example: --{kind} NAME -o {kind}.NAME.OPTION=VALUE",
                status=USAGE,
            )
        tables[name][option] = value
    return list(tables.values())
