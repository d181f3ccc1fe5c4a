"""Plan the runs of a sweep: a name, the values that vary, and the resolved settings of each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganctl.config.command_line import with_options
from ganctl.config.resolve import resolve
from ganctl.config.settings import LISTS, SHORTHANDS, Config
from ganctl.errors import USAGE, GanctlError
from ganctl.plugin.names import option_name, same_name, setting_name
from ganctl.plugin.registry import Registry
from ganctl.sweeps.combinations import Values, combinations
from ganctl.sweeps.naming import run_name
from ganctl.sweeps.variation import LISTS_BY_KIND, Variation, parse_count


@dataclass(frozen=True)
class PlannedRun:
    """A run before it is created: its name, the values that vary, its settings, and warnings about them.

    Attributes:
        values: values of the settings that vary, by name, with their types in ``config``.
        texts: the same values as text, as the user wrote them.
    """

    name: str
    values: dict[str, Any]
    texts: Values
    config: Config
    warnings: Sequence[str] = ()


def plan(
    registry: Registry,
    variation: Variation,
    layers: Sequence[Mapping[str, Any]],
    given: Mapping[str, Any],
    component_options: Sequence[str] = (),
) -> list[PlannedRun]:
    """Resolve the settings of all runs.

    Args:
        layers: settings of all runs. Later layers take precedence.
        given: settings of all runs that take precedence over ``layers``.
        component_options: further settings of this kind, as ``part.option=value``.

    Raises:
        GanctlError: a setting is invalid, or two runs are identical. If the setting varies, the message contains the
            name of the run.
    """
    _check_fixed(variation, given, component_options)
    names: set[str] = set()
    planned: list[PlannedRun] = []
    seen: dict[str, str] = {}
    for values in combinations(variation, seed=_first_seed([*layers, given])):
        plain = {LISTS_BY_KIND.get(k, k): v for k, v in values.items() if "." not in k}
        dotted = [f"{key}={value}" for key, value in values.items() if "." in key]
        layer = with_options({**given, **_split_lists(plain)}, [*component_options, *dotted], registry)
        name = run_name(values, names)
        try:
            config, warnings = resolve(registry, *layers, layer)
        except GanctlError as error:
            raise in_run(name, error) from error
        text = config.to_toml()
        if text in seen:
            raise GanctlError(
                f"The runs {seen[text]} and {name} have the same settings.",
                "Remove one of them.",
                status=USAGE,
            )
        seen[text] = name
        table = config.to_dict()
        typed = {key: typed_value(table, key, text) for key, text in values.items()}
        planned.append(PlannedRun(name, typed, values, config, warnings))
    return planned


def typed_value(table: Mapping[str, Any], name: str, text: str) -> Any:
    """Return the value in the settings ``table`` that ``text`` set. Names of components and schedules remain text.

    Args:
        name: name of a setting, such as ``batch_size``, or of an option, such as ``lr`` or ``generator.width``.
    """
    part, option = (
        SHORTHANDS[name][0] if name in SHORTHANDS else name.split(".", 1) if "." in name else ("", name)
    )
    part = "g_optimizer" if part == "optimizer" else part
    values = table.get(part) if part else table
    if part and values is None:  # options of a regularizer
        specs = (spec for spec in table["regularizers"] if isinstance(spec, Mapping))
        values = next((spec for spec in specs if same_name(spec["name"], part)), None)
    if part == "schedules" or not isinstance(values, Mapping) or isinstance(values.get(option, {}), Mapping):
        return text
    value = values[option]
    return list(value) if isinstance(value, tuple) else value


def in_run(name: str, error: GanctlError) -> GanctlError:
    """Return ``error`` with the name of the run in the message."""
    return GanctlError(f"In the run {name}: {error.message}", error.hint, status=error.status)


def distinct_values(rows: Sequence[Values]) -> dict[str, list[str]]:
    """Return the distinct values of each setting in ``rows``, in order of appearance."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for name, value in row.items():
            values = found.setdefault(name, [])
            if value not in values:
                values.append(value)
    return found


def _check_fixed(variation: Variation, given: Mapping[str, Any], component_options: Sequence[str]) -> None:
    """Raise a GanctlError if a setting that varies was also set for all runs."""
    fixed = {
        *map(setting_name, given),
        *(kind for kind, setting in LISTS_BY_KIND.items() if setting in given),
        *(setting_name(text.partition("=")[0].strip()) for text in component_options),
    }
    for key in variation.names():
        if key in fixed and not (key == "seed" and variation.seeds > 1):
            raise GanctlError(
                f"{option_name(key)} varies, but was also set for all runs.",
                "Remove one of the two.",
                status=USAGE,
            )


def _split_lists(plain: Mapping[str, str]) -> dict[str, Any]:
    """Split lists of components at commas, so that options can be assigned to each component."""
    return {
        name: tuple(part.strip() for part in value.split(",")) if name in LISTS else value
        for name, value in plain.items()
    }


def _first_seed(layers: Sequence[Mapping[str, Any]]) -> int:
    for layer in reversed(layers):
        if "seed" in layer:
            return parse_count("seed", layer["seed"], 0)
    return 0
