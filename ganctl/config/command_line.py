"""Convert the options ``-o PART.OPTION=VALUE`` of a command line to a layer of settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ganctl.config.settings import COMPONENTS, LISTS
from ganctl.config.shorthands import data_table
from ganctl.errors import USAGE, GanctlError, did_you_mean
from ganctl.plugin.names import same_name, setting_name
from ganctl.plugin.registry import Registry

LISTS_BY_KIND = {kind: name for name, kind in LISTS.items()}
#: Parts of a run whose options are set with PART.OPTION. Options of metrics and trackers use KIND.NAME.OPTION.
PARTS = (*COMPONENTS, "optimizer", "schedules", *LISTS_BY_KIND)


class Address(NamedTuple):
    """Location of an option: in the table ``part``, or in the table of the component ``name`` in a list."""

    part: str
    name: str | None
    option: str


def parse_address(text: str, registry: Registry) -> Address:
    """Return the address specified by ``PART.OPTION``, ``KIND.NAME.OPTION`` or ``REGULARIZER.OPTION``.

    Raises:
        GanctlError: there is no such part, or no option is given.
    """
    key = text.strip()
    part, dot, rest = key.partition(".")
    if setting_name(part) in PARTS:
        part = setting_name(part)
        if part not in LISTS_BY_KIND:
            name, option = None, setting_name(rest) if part != "schedules" else rest
        else:
            name, _, option = rest.rpartition(".")
    else:
        name, dot, option = key.rpartition(".")  # the name of a regularizer can contain dots
        part = "regularizer"
        if dot and not any(same_name(name, known) for known in registry.names("regularizer")):
            raise GanctlError(
                f"-o {text}: there is no part '{name}'.",
                did_you_mean(name, [*PARTS, *registry.names("regularizer")]),
                status=USAGE,
            )
    if not (dot and option) or name == "":
        raise GanctlError(
            f"-o {text} does not have the form PART.OPTION=VALUE.",
            f"Example: -o {part}.NAME.OPTION=VALUE" if name == "" else "Example: -o generator.width=32",
            status=USAGE,
        )
    return Address(part, name, option if part == "schedules" else setting_name(option))


def with_options(
    given: dict[str, Any], component_options: Sequence[str], registry: Registry
) -> dict[str, Any]:
    """Return ``given`` as a layer of settings, with each ``part.option=value`` in the table of the part.

    Args:
        given: settings by name.
        component_options: values of the options ``-o``.
        registry: components by name, used to distinguish dataset names from paths in ``data``, and regularizer names
            from other parts.

    Raises:
        GanctlError: an option does not have the form ``part.option=value``, or there is no such part.
    """
    tables: dict[str, dict[str, Any]] = {}
    listed: dict[str, dict[str, dict[str, Any]]] = {}
    for text in component_options:
        key, equals, value = text.partition("=")
        if not equals:
            raise GanctlError(
                f"-o {text} does not have the form PART.OPTION=VALUE.",
                "Example: -o generator.width=32",
                status=USAGE,
            )
        part, name, option = parse_address(key, registry)
        if name is None:
            tables.setdefault(part, {})[option] = value
        else:
            listed.setdefault(LISTS_BY_KIND[part], {}).setdefault(name, {})[option] = value
    for setting, by_name in listed.items():
        given[setting] = _with_list_options(setting, given.get(setting), by_name)
    for part, table in tables.items():
        name = given.get(part)
        if part == "schedules":
            given[part] = table
        elif part == "data" and name is not None:
            given[part] = {**data_table(registry, name), **table}
        else:
            given[part] = {**({"name": name} if name is not None else {}), **table}
    return given


def _with_list_options(
    setting: str, names: tuple[str, ...] | None, tables: dict[str, dict[str, Any]]
) -> list[dict[str, Any]] | dict[str, dict[str, Any]]:
    """Return the components ``names`` as tables with options. If no names are given, return only the options."""
    if not names:
        return tables
    for name in tables:
        if not any(same_name(name, chosen) for chosen in names):
            kind = LISTS[setting]
            raise GanctlError(
                f"There are options for the {kind} '{name}', but --{kind} {name} was not given.",
                f"Add: --{kind} {name}",
                status=USAGE,
            )
    return [
        {
            "name": chosen,
            **{k: v for name in tables if same_name(name, chosen) for k, v in tables[name].items()},
        }
        for chosen in names
    ]
