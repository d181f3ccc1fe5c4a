"""From what is asked to vary to the runs: every combination of a grid, pairs, draws from ranges, seeds."""

from __future__ import annotations

import hashlib
import itertools
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ganctl.config.command_line import with_options
from ganctl.config.resolve import resolve
from ganctl.config.settings import COMPONENTS, HELP, LISTS, SHORTHANDS, Config
from ganctl.errors import USAGE, GanctlError, did_you_mean
from ganctl.plugin.registry import Registry

#: Settings that may vary by their own name; the options of parts vary as PART.OPTION.
NAMES = [*(set(HELP) - {"plugins", "schedules", "force"}), *SHORTHANDS, "optimizer", "lr_schedule"]
PARTS = [*COMPONENTS, "optimizer", "schedules", *LISTS.values()]
TABLES = ("grid", "zip", "range")
#: What a TOML file of a sweep holds besides settings.
KEYS = (*TABLES, "random", "seeds")
LONGEST_NAME = 120

Values = dict[str, str]


@dataclass(frozen=True)
class Varied:
    """What varies, by setting, as text.

    Attributes:
        grid: every combination of these values.
        zip: the first of each, the second of each, and so on.
        ranges: where the ``random`` draws come from: ``"1e-5..1e-3"``, or values to choose from.
        random: how many draws.
        seeds: how often each of all that, with a seed of its own.
    """

    grid: dict[str, list[str]] = field(default_factory=dict)
    zip: dict[str, list[str]] = field(default_factory=dict)
    ranges: dict[str, str] = field(default_factory=dict)
    random: int = 0
    seeds: int = 1

    def table(self) -> dict[str, Any]:
        """As it stands in ``sweep.toml``."""
        counts = {
            **({"random": self.random} if self.random else {}),
            **({"seeds": self.seeds} if self.seeds > 1 else {}),
        }
        tables: dict[str, Any] = {"grid": self.grid, "zip": self.zip, "range": self.ranges}
        return {**counts, **{name: table for name, table in tables.items() if table}}

    def names(self) -> list[str]:
        return [*self.grid, *self.zip, *self.ranges, *(["seed"] if self.seeds > 1 else [])]


@dataclass(frozen=True)
class Planned:
    """A run to be: its name, in what it differs, and all its settings."""

    name: str
    values: Values
    config: Config
    warnings: Sequence[str] = ()


def from_text(
    grid: Sequence[str] = (),
    zip: Sequence[str] = (),
    ranges: Sequence[str] = (),
    *,
    random: str | int | None = None,
    seeds: str | int | None = None,
) -> dict[str, Any]:
    """A layer with the keys :data:`KEYS`, of what stands on the command line, as ``lr=1e-4,2e-4``.

    Raises:
        GanctlError: one is not of the form NAME=VALUES, or comes twice.
    """
    layer: dict[str, Any] = {}
    for table, texts in (("grid", grid), ("zip", zip), ("range", ranges)):
        for text in texts:
            name, equals, values = text.partition("=")
            if not (equals and name.strip() and values.strip()):
                example = "lr=1e-5..1e-3" if table == "range" else "lr=1e-4,2e-4"
                raise GanctlError(
                    f"--{table} {text} is not of the form NAME=VALUES.",
                    f"As in: --{table} {example}",
                    status=USAGE,
                )
            name = _key(name.strip())
            if name in layer.get(table, {}):
                raise GanctlError(
                    f"--{table} {_shown(name)} was given twice.", "Give all its values at once.", status=USAGE
                )
            layer.setdefault(table, {})[name] = values.strip()
    for name, count in (("random", random), ("seeds", seeds)):
        if count is not None:
            layer[name] = count
    return layer


def varied(*layers: Mapping[str, Any]) -> Varied:
    """What varies after these layers, each with some of :data:`KEYS`; the later over the earlier.

    Raises:
        GanctlError: a name that is no setting, values that cannot be, or nothing that varies.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        for table in [layer[name] for name in TABLES if isinstance(layer.get(name), Mapping)]:
            for key in map(_key, table):  # what comes later varies it in another way, perhaps
                for name in TABLES:
                    merged.get(name, {}).pop(key, None)
        for name in TABLES:
            table = layer.get(name, {})
            if not isinstance(table, Mapping):
                raise GanctlError(
                    f"{name} is {table!r}.",
                    f"It is a table, as: [{name}] and lr = [1e-4, 2e-4]",
                    status=USAGE,
                )
            merged.setdefault(name, {}).update({_key(key): value for key, value in table.items()})
        merged.update({name: layer[name] for name in ("random", "seeds") if name in layer})
    _check_names(merged)
    grid = {key: _values(key, value) for key, value in merged.get("grid", {}).items()}
    pairs = {key: _values(key, value) for key, value in merged.get("zip", {}).items()}
    ranges = {key: ",".join(_values(key, value)) for key, value in merged.get("range", {}).items()}
    found = Varied(
        grid,
        pairs,
        ranges,
        _count("random", merged.get("random", 0), 0),
        _count("seeds", merged.get("seeds", 1), 1),
    )
    lengths = {key: len(values) for key, values in pairs.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{_shown(key)} has {n}" for key, n in lengths.items())
        raise GanctlError(
            f"--zip goes through its values side by side, but {said}.",
            "Give each as many, or --grid for every combination.",
            status=USAGE,
        )
    if bool(found.random) != bool(ranges):
        missing, example = (
            ("--range", "--range lr=1e-5..1e-3") if found.random else ("--random", "--random 20")
        )
        raise GanctlError(
            f"--range and --random go together, and {missing} is missing.", f"As in: {example}", status=USAGE
        )
    if not found.names():
        raise GanctlError(
            "Nothing varies.",
            "Say what does, as: --grid lr=1e-4,2e-4  (or --zip, --range and --random, --seeds)",
            status=USAGE,
        )
    return found


def combinations(varied: Varied, *, seed: int = 0) -> list[Values]:
    """The values of every run: the grid's last setting changes faster than its first, the seed fastest of all.

    Args:
        seed: of the random draws, and the first of the seeds.

    Raises:
        GanctlError: a range that cannot be drawn from.
    """
    axes: list[list[Values]] = [[{name: value} for value in values] for name, values in varied.grid.items()]
    if varied.zip:
        axes.append(
            [dict(zip(varied.zip, row, strict=True)) for row in zip(*varied.zip.values(), strict=True)]
        )
    if varied.random:
        axes.append(_draws(varied.ranges, varied.random, seed))
    if varied.seeds > 1:
        axes.append([{"seed": str(seed + i)} for i in range(varied.seeds)])
    rows = []
    for parts in itertools.product(*axes):
        row: Values = {}
        for part in parts:
            row.update(part)
        rows.append(row)
    return rows


def plan(
    registry: Registry,
    varied: Varied,
    layers: Sequence[Mapping[str, Any]],
    given: Mapping[str, Any],
    component_options: Sequence[str] = (),
) -> list[Planned]:
    """All runs, with their settings resolved.

    Args:
        layers: settings of all runs, under ``given``.
        given: settings of all runs, and with ``component_options`` (``part.option=value``) as on a command line.

    Raises:
        GanctlError: a setting that cannot be, naming the run where it is the run's; or two runs that are the same.
    """
    fixed = {*map(_key, given), *(_key(text.partition("=")[0].strip()) for text in component_options)}
    for name in varied.names():
        if name in fixed and not (name == "seed" and varied.seeds > 1):
            raise GanctlError(
                f"{_shown(name)} is given for all runs, and varies.", "Give one of the two.", status=USAGE
            )
    first_seed = _first_seed([*layers, given])
    names: set[str] = set()
    planned: list[Planned] = []
    same: dict[str, str] = {}
    for values in combinations(varied, seed=first_seed):
        plain = {LISTS_BY_KIND.get(k, k): v for k, v in values.items() if "." not in k}
        dotted = [f"{key}={value}" for key, value in values.items() if "." in key]
        layer = with_options({**given, **_lists(plain)}, [*component_options, *dotted], registry)
        name = _name(values, names)
        try:
            config, warnings = resolve(registry, *layers, layer)
        except GanctlError as error:
            raise of_run(name, error) from error
        text = config.to_toml()
        if text in same:
            raise GanctlError(
                f"The runs {same[text]} and {name} would be the same.", "Leave one out.", status=USAGE
            )
        same[text] = name
        planned.append(Planned(name, values, config, warnings))
    return planned


def of_run(name: str, error: GanctlError) -> GanctlError:
    """``error`` with the run in which it is."""
    return GanctlError(f"In the run {name}: {error.message}", error.hint, status=error.status)


def varying(rows: Sequence[Values]) -> dict[str, list[str]]:
    """The settings that vary, each with its different values, in the order in which they come."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for name, value in row.items():
            values = found.setdefault(name, [])
            if value not in values:
                values.append(value)
    return found


def title(planned: Sequence[Planned]) -> str:
    """What a sweep of these is called: its models and datasets."""
    models = list(dict.fromkeys(each.config.model for each in planned))
    datasets = list(dict.fromkeys(each.config.data.name for each in planned))
    return "-".join(
        [*(models if len(models) < 4 else ["models"]), *(datasets if len(datasets) < 4 else ["datasets"])]
    )


LISTS_BY_KIND = {kind: name for name, kind in LISTS.items()}


def _lists(plain: Mapping[str, str]) -> dict[str, Any]:
    """``plain`` with lists of components as a command line has them, so that their options find them."""
    return {
        name: tuple(part.strip() for part in value.split(",")) if name in LISTS else value
        for name, value in plain.items()
    }


def _key(name: object) -> str:
    return str(name).replace("-", "_")


def _shown(name: str) -> str:
    return name.replace("_", "-") if "." not in name else name


def _check_names(merged: Mapping[str, Any]) -> None:
    seen: dict[str, str] = {}
    for table in TABLES:
        for name in merged.get(table, {}):
            part, dot, option = name.partition(".")
            if dot and not (part in PARTS and option):
                raise GanctlError(
                    f"{table} {name}: there is no part '{part}'.", did_you_mean(part, PARTS), status=USAGE
                )
            if not dot and name not in NAMES and name not in LISTS_BY_KIND:
                near = did_you_mean(name, NAMES)
                near = near.replace("_", "-") + " " if near.startswith("Did you") else ""
                raise GanctlError(
                    f"{table} {_shown(name)}: there is no such setting.",
                    f"{near}What varies is an option of 'ganctl train', as lr, or of a part, as generator.width.",
                    status=USAGE,
                )
            if name in seen:
                raise GanctlError(
                    f"{_shown(name)} is in {seen[name]} and in {table}.", "Give one of the two.", status=USAGE
                )
            seen[name] = table
    if "seed" in seen and merged.get("seeds") is not None:
        raise GanctlError("Both seeds and values of seed were given.", "Give one of the two.", status=USAGE)


def _values(name: str, given: Any) -> list[str]:
    """The values of a setting as text. In text they have commas between, or semicolons if they have commas in them."""
    if isinstance(given, str):
        separator = ";" if ";" in given else ","
        values = [part.strip() for part in given.split(separator)]
    elif isinstance(given, (list, tuple)):
        values = [_text(name, value) for value in given]
    else:
        values = [_text(name, given)]
    values = [value for value in values if value]
    if not values:
        raise GanctlError(f"{_shown(name)} has no values to vary over.", "As in: lr=1e-4,2e-4", status=USAGE)
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise GanctlError(f"{_shown(name)} has {twice[0]} twice.", "Give each value once.", status=USAGE)
    return values


def _text(name: str, value: Any) -> str:
    """``value``, of a TOML file or of Python, as a command line has it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ",".join(_text(name, item) for item in value)
    if isinstance(value, float):
        return _short(value)
    if isinstance(value, (str, int)):
        return str(value)
    raise GanctlError(
        f"{_shown(name)} has {value!r} among its values.",
        "Values are text, numbers, or lists of them; a part with options varies as two settings side by side: --zip.",
        status=USAGE,
    )


def _short(x: float) -> str:
    """``x`` as people write it: ``1e-4``, and not 0.0001 or 1e-04."""
    mantissa, _, exponent = f"{x:e}".partition("e")
    short = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return short if 0 < abs(x) < 1e-2 and float(short) == x else repr(x)


def _count(name: str, value: Any, least: int) -> int:
    try:
        count = int(value)
    except (TypeError, ValueError):
        count = least - 1
    if count < least or isinstance(value, (bool, float)):
        raise GanctlError(
            f"{name} is {value!r}; it is a number from {least} up.", f"As in: --{name} 3", status=USAGE
        )
    return count


def _first_seed(layers: Sequence[Mapping[str, Any]]) -> int:
    for layer in reversed(layers):
        if "seed" in layer:
            return _count("seed", layer["seed"], 0)
    return 0


_RANGE = re.compile(r"\s*(\S+?)\s*\.\.\s*([^\s:]+)\s*(?::\s*(log|uniform))?\s*")


def _draws(ranges: Mapping[str, str], n: int, seed: int) -> list[Values]:
    """``n`` different draws. Those of n − 1 are the first of those of n."""
    chance = random.Random(f"ganctl sweep {seed}")
    rows: list[Values] = []
    for _ in range(1000 * n):  # few ints, many draws: then there are not that many different ones
        row = {name: _draw(name, text, chance) for name, text in ranges.items()}
        if row not in rows:
            rows.append(row)
        if len(rows) == n:
            return rows
    raise GanctlError(
        f"The ranges hold only {len(rows)} different combinations, and {n} were asked for.",
        f"Give --random {len(rows)}, or wider ranges.",
        status=USAGE,
    )


def _draw(name: str, text: str, chance: random.Random) -> str:
    """A value between the two ends of ``text``, of three digits that count; or one of its values."""
    if ".." not in text:
        return chance.choice(text.split(","))
    match = _RANGE.fullmatch(text)
    try:
        assert match
        low, high = float(match[1]), float(match[2])
        assert low < high
        assert math.isfinite(high - low)
    except (AssertionError, ValueError):
        raise GanctlError(
            f"The range of {_shown(name)}, {text}, is not LOW..HIGH.",
            f"As in: --range {_shown(name)}=1e-5..1e-3, or 0..1, or 16..512; or values to choose from: a,b,c",
            status=USAGE,
        ) from None
    logarithmic = match[3] == "log" or (match[3] is None and low > 0)
    if logarithmic and low <= 0:
        raise GanctlError(
            f"The range of {_shown(name)}, {text}, has no logarithm: it begins at {match[1]}.",
            "Begin it above 0, or end it with :uniform.",
            status=USAGE,
        )
    whole = all(re.fullmatch(r"-?\d+", end) for end in match.groups()[:2])
    while True:
        x = (
            math.exp(chance.uniform(math.log(low), math.log(high)))
            if logarithmic
            else chance.uniform(low, high)
        )
        # Rounded, and the rounded one is what is trained with, so that a name says all.
        value = str(round(x)) if whole else _short(float(f"{x:.3g}"))
        if low <= float(value) <= high:
            return value


def _name(values: Values, taken: set[str]) -> str:
    """A folder's name that says what differs, and is not in ``taken``, to which it is added."""
    parts = (
        f"{_shown(name)}={re.sub(r'[^A-Za-z0-9._+-]+', '-', value).strip('-')}"
        for name, value in values.items()
    )
    name = ",".join(parts)
    if len(name) > LONGEST_NAME:
        name = f"{name[:LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    unique, number = name, 2
    while unique.lower() in taken:
        unique, number = f"{name}-{number}", number + 1
    taken.add(unique.lower())
    return unique
