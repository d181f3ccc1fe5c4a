"""``ganctl plugins``: what is installed, what it registers, what is wrong with it."""

from __future__ import annotations

from typing import Any

import click

from ganctl.cli.output import print_json, print_table
from ganctl.cli.params import json_option
from ganctl.plugins import Plugin, discover
from ganctl.registry import KINDS


@click.command("plugins")
@json_option
def plugins(as_json: bool) -> None:
    """List plugins, what they register and what is broken."""
    found = discover().all  # not load(): the table is where the errors are shown
    if as_json:
        print_json([as_dict(plugin) for plugin in found])
        return
    rows = []
    for plugin in found:
        what = f"BROKEN: {plugin.error}" if plugin.error else _registered(plugin)
        rows.append([plugin.name, plugin.origin, f"{plugin.seconds * 1000:.0f}", what])
    print_table(["PLUGIN", "FROM", "MS", "REGISTERS"], rows, wrap=3)


def as_dict(plugin: Plugin) -> dict[str, Any]:
    """What ``--json`` tells about a plugin."""
    return {
        "name": plugin.name,
        "entry_point": plugin.module,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "registers": _by_kind(plugin),
        "load_ms": round(plugin.seconds * 1000, 2),
        "error": plugin.error or None,
    }


def _by_kind(plugin: Plugin) -> dict[str, list[str]]:
    registered = {
        plural: [item.name for item in plugin.components if item.kind == kind]
        for kind, plural in KINDS.items()
    }
    registered["commands"] = [str(command.name) for command in plugin.commands]
    return {plural: names for plural, names in registered.items() if names}


def _registered(plugin: Plugin) -> str:
    return "; ".join(f"{plural}: {', '.join(names)}" for plural, names in _by_kind(plugin).items())
