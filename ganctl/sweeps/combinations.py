"""Combine the variations of a sweep into one set of values per run."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Mapping

from ganctl.errors import USAGE, GanctlError
from ganctl.plugin.names import option_name
from ganctl.sweeps.variation import Variation, format_float

Values = dict[str, str]

_RANGE = re.compile(r"\s*(\S+?)\s*\.\.\s*([^\s:]+)\s*(?::\s*(log|uniform))?\s*")


def combinations(variation: Variation, *, seed: int = 0) -> list[Values]:
    """Return the values of every run. The seed varies fastest, followed by the last setting of the grid.

    Args:
        seed: seed of the random draws, and the first of the runs' seeds.

    Raises:
        GanctlError: a range is invalid or has too few distinct values.
    """
    axes: list[list[Values]] = [
        [{name: value} for value in values] for name, values in variation.grid.items()
    ]
    if variation.zip:
        rows = zip(*variation.zip.values(), strict=True)
        axes.append([dict(zip(variation.zip, row, strict=True)) for row in rows])
    if variation.random:
        axes.append(_draw_rows(variation.ranges, variation.random, seed))
    if variation.seeds > 1:
        axes.append([{"seed": str(seed + i)} for i in range(variation.seeds)])
    return [
        {name: value for part in parts for name, value in part.items()} for parts in itertools.product(*axes)
    ]


def _draw_rows(ranges: Mapping[str, str], n: int, seed: int) -> list[Values]:
    """Return ``n`` distinct draws. For the same seed, a larger ``n`` only appends draws."""
    generator = random.Random(f"ganctl sweep {seed}")
    rows: list[Values] = []
    for _ in range(1000 * n):  # bounded because a range of integers may be too small
        row = {name: _draw(name, text, generator) for name, text in ranges.items()}
        if row not in rows:
            rows.append(row)
        if len(rows) == n:
            return rows
    raise GanctlError(
        f"The ranges have only {len(rows)} distinct combinations, but --random is {n}.",
        f"Use --random {len(rows)} or wider ranges.",
        status=USAGE,
    )


def _draw(key: str, text: str, generator: random.Random) -> str:
    """Draw a number with three significant digits from the range ``text``, or draw one of the values in ``text``."""
    if ".." not in text:
        return generator.choice(text.split(","))
    match = _RANGE.fullmatch(text)
    try:
        assert match
        low, high = float(match[1]), float(match[2])
        assert low < high
        assert math.isfinite(high - low)
    except (AssertionError, ValueError):
        name = option_name(key)
        raise GanctlError(
            f"The range of {name}, {text}, is not of the form LOW..HIGH.",
            f"Write a range, for example --range {name}=1e-5..1e-3 or 16..512, or values to choose from: a,b,c",
            status=USAGE,
        ) from None
    log_uniform = match[3] == "log" or (match[3] is None and low > 0)
    if log_uniform and low <= 0:
        raise GanctlError(
            f"The range of {option_name(key)}, {text}, cannot be sampled log-uniformly: it starts at {match[1]}.",
            "Start the range above 0 or append :uniform.",
            status=USAGE,
        )
    integers = all(re.fullmatch(r"-?\d+", end) for end in match.groups()[:2])
    while True:
        x = (
            math.exp(generator.uniform(math.log(low), math.log(high)))
            if log_uniform
            else generator.uniform(low, high)
        )
        # The run uses the rounded value, so that the value in its name is exact.
        value = str(round(x)) if integers else format_float(float(f"{x:.3g}"))
        if low <= float(value) <= high:
            return value
