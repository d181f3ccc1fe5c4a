"""``ganctl plugins disable`` and ``ganctl plugins enable``: select which installed plugins are loaded."""

from __future__ import annotations

import click

from ganctl.errors import USAGE, GanctlError, did_you_mean
from ganctl.plugin import selection
from ganctl.plugin.discovery import discover
from ganctl.plugin.names import normalize


@click.command()
@click.argument("name")
def disable(name: str) -> None:
    """Do not load the plugin NAME until it is enabled again.

    NAME is a plugin, or a distribution for all of its plugins. See: ganctl plugins
    """
    found = discover().all
    known = {spelling for p in found for spelling in selection.aliases(p.distribution, p.name)}
    if normalize(name) not in known:
        names = {other for p in found for other in (p.name, p.distribution)}
        raise GanctlError(f"There is no plugin '{name}'.", did_you_mean(name, names), status=USAGE)
    selection.write_disabled({*selection.read_disabled(), normalize(name)})
    print(f"{name} is disabled. Enable it again: ganctl plugins enable {name}")


@click.command()
@click.argument("name")
def enable(name: str) -> None:
    """Load the plugin NAME again."""
    disabled = set(selection.read_disabled())
    if normalize(name) not in disabled:
        hint = did_you_mean(name, disabled) or "No plugin is disabled. See: ganctl plugins"
        raise GanctlError(f"'{name}' is not disabled.", hint, status=USAGE)
    selection.write_disabled(disabled - {normalize(name)})
    print(f"{name} is enabled.")
