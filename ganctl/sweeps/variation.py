"""The variations of a sweep (``--grid``, ``--zip``, ``--range``, ``--random``, ``--seeds``), parsed and checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ganctl.config.command_line import LISTS_BY_KIND, PARTS
from ganctl.config.settings import HELP, SHORTHANDS
from ganctl.errors import USAGE, GanctlError, did_you_mean
from ganctl.plugin.names import option_name, same_name, setting_name

#: Settings that may vary. Options of components may also vary, as PART.OPTION.
NAMES = [*(set(HELP) - {"plugins", "schedules", "force"}), *SHORTHANDS, "optimizer", "lr_schedule"]
TABLES = ("grid", "zip", "range")
#: Keys that a sweep's TOML file may contain in addition to settings.
KEYS = (*TABLES, "random", "seeds")


@dataclass(frozen=True)
class Variation:
    """The settings that vary, with their values as text.

    Attributes:
        grid: values of each setting, all of whose combinations are used.
        zip: values that are paired: the first value of each setting, then the second value of each setting, and so on.
        ranges: ranges from which random values are drawn, such as ``"1e-5..1e-3"``, or lists such as ``"a,b,c"``.
        random: number of random draws.
        seeds: number of seeds. Every combination is trained with each seed.
    """

    grid: dict[str, list[str]] = field(default_factory=dict)
    zip: dict[str, list[str]] = field(default_factory=dict)
    ranges: dict[str, str] = field(default_factory=dict)
    random: int = 0
    seeds: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Return the tables and keys for ``sweep.toml``."""
        counts = {
            **({"random": self.random} if self.random else {}),
            **({"seeds": self.seeds} if self.seeds > 1 else {}),
        }
        tables: dict[str, Any] = {"grid": self.grid, "zip": self.zip, "range": self.ranges}
        return {**counts, **{name: table for name, table in tables.items() if table}}

    def names(self) -> list[str]:
        """Return the names of all settings that vary."""
        return [*self.grid, *self.zip, *self.ranges, *(["seed"] if self.seeds > 1 else [])]


def parse_options(
    grid: Sequence[str] = (),
    zip: Sequence[str] = (),
    ranges: Sequence[str] = (),
    *,
    random: str | int | None = None,
    seeds: str | int | None = None,
) -> dict[str, Any]:
    """Parse command line options such as ``--grid lr=1e-4,2e-4``.

    Returns:
        A layer for :func:`merge_variations`, with some of :data:`KEYS`.

    Raises:
        GanctlError: an option is not of the form NAME=VALUES, or is repeated for the same setting.
    """
    layer: dict[str, Any] = {}
    for table, texts in (("grid", grid), ("zip", zip), ("range", ranges)):
        for text in texts:
            name, equals, values = text.partition("=")
            if not (equals and name.strip() and values.strip()):
                example = "lr=1e-5..1e-3" if table == "range" else "lr=1e-4,2e-4"
                raise GanctlError(
                    f"--{table} {text} is not of the form NAME=VALUES.",
                    f"Write the option like this: --{table} {example}",
                    status=USAGE,
                )
            key = setting_name(name.strip())
            if key in layer.get(table, {}):
                raise GanctlError(
                    f"--{table} {option_name(key)} was given twice.",
                    "Give all its values in one option.",
                    status=USAGE,
                )
            layer.setdefault(table, {})[key] = values.strip()
    for name, count in (("random", random), ("seeds", seeds)):
        if count is not None:
            layer[name] = count
    return layer


def merge_variations(*layers: Mapping[str, Any], regularizers: Collection[str] = ()) -> Variation:
    """Merge ``layers``, each with some of :data:`KEYS`, and check the result. Later layers take precedence.

    Args:
        regularizers: names of regularizers. Their options may vary as NAME.OPTION.

    Raises:
        GanctlError: a setting does not exist, values are invalid, or nothing varies.
    """
    merged = _merge(layers)
    _check_names(merged, regularizers)
    ranges = {key: ",".join(_values(key, value)) for key, value in merged.get("range", {}).items()}
    variation = Variation(
        grid={key: _values(key, value) for key, value in merged.get("grid", {}).items()},
        zip={key: _values(key, value) for key, value in merged.get("zip", {}).items()},
        ranges=ranges,
        random=parse_count("random", merged.get("random", 0), 0),
        seeds=parse_count("seeds", merged.get("seeds", 1), 1),
    )
    lengths = {key: len(values) for key, values in variation.zip.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{option_name(key)} has {n}" for key, n in lengths.items())
        raise GanctlError(
            f"--zip needs the same number of values for each setting, but {counts}.",
            "Give each setting the same number of values, or use --grid for all combinations.",
            status=USAGE,
        )
    if bool(variation.random) != bool(ranges):
        missing, example = ("--range", "lr=1e-5..1e-3") if variation.random else ("--random", "20")
        raise GanctlError(
            f"--range and --random must be given together, and {missing} is missing.",
            f"Add, for example, {missing} {example}",
            status=USAGE,
        )
    if not variation.names():
        raise GanctlError(
            "Nothing varies.",
            "Give values, for example --grid lr=1e-4,2e-4, or use --zip, --range with --random, or --seeds.",
            status=USAGE,
        )
    return variation


def parse_count(name: str, value: Any, minimum: int) -> int:
    """Convert ``value`` to an integer.

    Raises:
        GanctlError: ``value`` is not an integer, or is less than ``minimum``.
    """
    try:
        count = int(value)
    except (TypeError, ValueError):
        count = minimum - 1
    if count < minimum or isinstance(value, (bool, float)):
        raise GanctlError(
            f"{name} is {value!r}, which is not an integer greater than or equal to {minimum}.",
            f"Write, for example, --{name} 3.",
            status=USAGE,
        )
    return count


def format_float(x: float) -> str:
    """Format ``x`` concisely: ``1e-4``, not 0.0001 or 1e-04."""
    mantissa, _, exponent = f"{x:e}".partition("e")
    short = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return short if 0 < abs(x) < 1e-2 and float(short) == x else repr(x)


def _merge(layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for layer in layers:
        for table in [layer[name] for name in TABLES if isinstance(layer.get(name), Mapping)]:
            for key in map(setting_name, table):  # an earlier layer may have the setting in another table
                for name in TABLES:
                    merged.get(name, {}).pop(key, None)
        for name in TABLES:
            table = layer.get(name, {})
            if not isinstance(table, Mapping):
                raise GanctlError(
                    f"{name} is {table!r}, which is not a table.",
                    f"Write a table [{name}] with settings such as lr = [1e-4, 2e-4].",
                    status=USAGE,
                )
            merged.setdefault(name, {}).update({setting_name(key): value for key, value in table.items()})
        merged.update({name: layer[name] for name in ("random", "seeds") if name in layer})
    return merged


def _check_names(merged: Mapping[str, Any], regularizers: Collection[str]) -> None:
    seen: dict[str, str] = {}
    for table in TABLES:
        for key in merged.get(table, {}):
            part, dot, option = key.partition(".")
            is_part = part in PARTS or any(same_name(key.rpartition(".")[0], name) for name in regularizers)
            if dot and not (is_part and option):
                raise GanctlError(
                    f"{table} {key}: there is no part '{part}'.",
                    did_you_mean(part, [*PARTS, *regularizers]),
                    status=USAGE,
                )
            if not dot and key not in NAMES and key not in LISTS_BY_KIND:
                near = did_you_mean(option_name(key), map(option_name, NAMES))
                near = near + " " if near.startswith("Did you") else ""
                raise GanctlError(
                    f"{table} {option_name(key)}: there is no such setting.",
                    f"{near}Vary an option of 'ganctl train', such as lr, or an option of a part, such as "
                    "generator.width.",
                    status=USAGE,
                )
            if key in seen:
                raise GanctlError(
                    f"{option_name(key)} is in {seen[key]} and in {table}.",
                    "Remove one of the two.",
                    status=USAGE,
                )
            seen[key] = table
    if "seed" in seen and merged.get("seeds") is not None:
        raise GanctlError("Both seeds and values of seed were given.", "Remove one of the two.", status=USAGE)


def _values(key: str, given: Any) -> list[str]:
    """Return the values of a setting as text.

    Text is split at commas, or at semicolons if the values contain commas.
    """
    if isinstance(given, str):
        separator = ";" if ";" in given else ","
        values = [part.strip() for part in given.split(separator)]
    elif isinstance(given, (list, tuple)):
        values = [_to_text(key, value) for value in given]
    else:
        values = [_to_text(key, given)]
    values = [value for value in values if value]
    if not values:
        raise GanctlError(
            f"{option_name(key)} has no values.", "Write values like this: lr=1e-4,2e-4", status=USAGE
        )
    repeated = [value for value in values if values.count(value) > 1]
    if repeated:
        raise GanctlError(
            f"{option_name(key)} has the value {repeated[0]} twice.", "Give each value once.", status=USAGE
        )
    return values


def _to_text(key: str, value: Any) -> str:
    """Format a value from a TOML file or from Python as on the command line."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ",".join(_to_text(key, item) for item in value)
    if isinstance(value, float):
        return format_float(value)
    if isinstance(value, (str, int)):
        return str(value)
    raise GanctlError(
        f"{option_name(key)} has the value {value!r}.",
        "Give text, numbers, or lists of them. To vary a part and its options together, use two settings with --zip.",
        status=USAGE,
    )
