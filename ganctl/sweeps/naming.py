"""Names of runs and sweeps."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ganctl.plugin.names import option_name

if TYPE_CHECKING:
    from ganctl.sweeps.plan import PlannedRun

MAX_LENGTH = 120


def run_name(values: Mapping[str, str], taken: set[str]) -> str:
    """Return a folder name composed of ``values`` that is not in ``taken``, and add it to ``taken``."""
    parts = (
        f"{option_name(key)}={re.sub(r'[^A-Za-z0-9._+-]+', '-', value).strip('-')}"
        for key, value in values.items()
    )
    name = ",".join(parts)
    if len(name) > MAX_LENGTH:
        name = f"{name[:MAX_LENGTH]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    unique, number = name, 2
    while unique.lower() in taken:
        unique, number = f"{name}-{number}", number + 1
    taken.add(unique.lower())
    return unique


def sweep_name(planned: Sequence[PlannedRun]) -> str:
    """Return a name for a sweep of these runs, composed of their models and datasets."""
    models = list(dict.fromkeys(each.config.model for each in planned))
    datasets = list(dict.fromkeys(each.config.data_label for each in planned))
    return "-".join(
        [*(models if len(models) < 4 else ["models"]), *(datasets if len(datasets) < 4 else ["datasets"])]
    )
