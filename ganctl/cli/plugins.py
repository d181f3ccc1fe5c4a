"""``ganctl plugins``: list the installed plugins. Each subcommand has its own file."""

from __future__ import annotations

from typing import Any

import click

from ganctl.cli.plugins_check import check
from ganctl.cli.plugins_enable_disable import disable, enable
from ganctl.cli.plugins_new import new
from ganctl.cli.shared_options import json_option
from ganctl.cli.terminal_output import print_json, print_table
from ganctl.plugin.discovery import Plugin, discover
from ganctl.plugin.registry import KINDS
from ganctl.system.progress import print_warnings

SUBCOMMANDS: tuple[click.Command, ...] = (new, check, disable, enable)


@click.group("plugins", invoke_without_command=True)
@json_option
@click.pass_context
def plugins(ctx: click.Context, as_json: bool) -> None:
    """List the installed plugins, their components and their errors."""
    if ctx.invoked_subcommand is not None:
        return
    plugins = discover()  # load() would print warnings about errors that the table already shows
    found = plugins.all
    print_warnings(plugins.warnings)
    if as_json:
        print_json([as_dict(plugin) for plugin in found])
        return
    rows = [[plugin.name, plugin.origin, f"{plugin.seconds * 1000:.0f}", _state(plugin)] for plugin in found]
    print_table(["PLUGIN", "FROM", "MS", "REGISTERS"], rows, wrap=[3])


for command in SUBCOMMANDS:
    plugins.add_command(command)


def as_dict(plugin: Plugin) -> dict[str, Any]:
    """Return the facts about a plugin that ``--json`` prints."""
    return {
        "name": plugin.name,
        "entry_point": plugin.module,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "registers": _by_kind(plugin),
        "load_ms": round(plugin.seconds * 1000, 2),
        "imports_torch": plugin.imports_torch,
        "not_loaded": plugin.skipped or None,
        "error": plugin.error or None,
    }


def _state(plugin: Plugin) -> str:
    if plugin.error:
        return f"BROKEN: {plugin.error}"
    if plugin.skipped:
        return f"NOT LOADED: {plugin.skipped}"
    registered = "; ".join(f"{plural}: {', '.join(names)}" for plural, names in _by_kind(plugin).items())
    from ganctl.cli import COMMANDS  # here, because ganctl.cli imports this module

    hidden = [
        f"{command.name} is a command of ganctl; use {plugin.distribution}:{command.name}"
        for command in plugin.commands
        if command.name in COMMANDS
    ]
    return " ".join([registered, *(f"({reason})" for reason in (*hidden, *plugin.slowdowns))])


def _by_kind(plugin: Plugin) -> dict[str, list[str]]:
    registered = {
        plural: [item.name for item in plugin.components if item.kind == kind]
        for kind, plural in KINDS.items()
    }
    registered["commands"] = [str(command.name) for command in plugin.commands]
    return {plural: names for plural, names in registered.items() if names}
