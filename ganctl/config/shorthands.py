"""Expand shorthands in a layer of settings: ``lr``, ``z_dim``, ``data`` as a path, component names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganctl.config.settings import COMPONENTS, OPTIONAL, SHORTHANDS
from ganctl.errors import USAGE, GanctlError
from ganctl.plugin.names import setting_name
from ganctl.plugin.registry import Registry
from ganctl.recipe import Spec


def expand_shorthands(registry: Registry, layer: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``layer`` with shorthands expanded and components as tables. Unknown settings are kept.

    Raises:
        GanctlError: a component is neither a name nor a table.
    """
    given = {setting_name(key): value for key, value in layer.items()}
    if "lr_schedule" in given:
        given["schedules"] = {"lr": given.pop("lr_schedule"), **given.get("schedules", {})}
    expanded: dict[str, Any] = {}
    # From general to specific, so that d_lr overrides lr regardless of their order in the layer.
    for name in ("optimizer", "lr", *COMPONENTS, "g_lr", "d_lr", "z_dim"):
        if name not in given:
            continue
        value = given.pop(name)
        if name in SHORTHANDS:
            for component, option in SHORTHANDS[name]:
                expanded.setdefault(component, {})[option] = value
        elif name in OPTIONAL and value in (None, "none"):
            expanded[name] = None
        else:
            for component in ("g_optimizer", "d_optimizer") if name == "optimizer" else (name,):
                expanded.setdefault(component, {}).update(_component_table(registry, name, value))
    return {**expanded, **given}


def expand_schedules(table: Any) -> dict[str, str]:
    """Return the table of schedules with ``lr`` expanded to the learning rates of both optimizers."""
    if not isinstance(table, Mapping) or not all(isinstance(text, str) for text in table.values()):
        raise GanctlError(
            f"schedules is {table!r}.",
            'Give a table such as {"g_optimizer.lr" = "linear 0"}.',
            status=USAGE,
        )
    expanded = {f"{part}.{option}": table["lr"] for part, option in SHORTHANDS["lr"] if "lr" in table}
    return {**expanded, **{name: text for name, text in table.items() if name != "lr"}}


def without_removed(schedules: Mapping[str, str]) -> dict[str, str]:
    """Return ``schedules`` without the schedules that a later layer removed with the value ``none``."""
    return {name: text for name, text in schedules.items() if text.strip() != "none"}


def data_table(registry: Registry, text: str) -> dict[str, Any]:
    """Return the table for the dataset ``text``, which is a dataset name or the path of an image folder or zip file.

    Raises:
        GanctlError: ``text`` is empty.
    """
    if not text:
        raise GanctlError(
            "The name of the dataset is empty.", "Try --data mnist or --data ./my-images.", status=USAGE
        )
    if not registry.find("dataset", text) and (
        os.sep in text or "/" in text or text == "." or Path(text).exists()
    ):
        return {"name": "folder", "path": text}
    return {"name": text}


def _component_table(registry: Registry, name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return data_table(registry, value) if name == "data" else {"name": value}
    if isinstance(value, Spec):
        value = {"name": value.name, **value.options}
    if not isinstance(value, Mapping):
        raise GanctlError(
            f"{name} is {value!r}.", "Give the name of a component or a table of options.", status=USAGE
        )
    return {setting_name(key): item for key, item in value.items()}
