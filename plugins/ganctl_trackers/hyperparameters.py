"""The settings of a run as flat names and scalar values, in the form that all trackers log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Settings that do not affect the result.
NOT_HYPERPARAMETERS = {"data_root", "trackers", "metrics", "plugins", "force", "keep", "on_nan"}


def hyperparameters(config: Mapping[str, Any]) -> dict[str, bool | float | str]:
    """Return the settings as flat names and scalar values, such as ``batch_size`` and ``g_optimizer.lr``."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        if name not in NOT_HYPERPARAMETERS:
            options = value if isinstance(value, Mapping) else {"name": value}
            found.update({name if o == "name" else f"{name}.{o}": item for o, item in options.items()})
    return {k: v if isinstance(v, (bool, int, float, str)) else _text(v) for k, v in found.items()}


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value).lower()
