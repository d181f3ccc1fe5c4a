"""``ganctl plugins disable`` and ``ganctl plugins enable``: select which installed plugins are loaded."""

from __future__ import annotations

import click

from ganctl.errors import USAGE, GanctlError, did_you_mean
from ganctl.plugin import enabled_plugins
from ganctl.plugin.discovery import discover
from ganctl.plugin.names import normalize
from ganctl.system.pasteable_commands import ganctl_command


@click.command()
@click.argument("name")
def disable(name: str) -> None:
    """Disable the plugin NAME until it is enabled again.

    NAME is the name of a plugin, or the name of a distribution to disable all of its plugins. See: ganctl plugins
    """
    found = discover().all
    known = {spelling for p in found for spelling in enabled_plugins.aliases(p.distribution, p.name)}
    if normalize(name) not in known:
        names = {other for p in found for other in (p.name, p.distribution)}
        raise GanctlError(f"There is no plugin '{name}'.", did_you_mean(name, names), status=USAGE)
    enabled_plugins.write_disabled({*enabled_plugins.read_disabled(), normalize(name)})
    print(f"{name} is disabled. To enable it again, run: {ganctl_command('plugins', 'enable', name)}")


@click.command()
@click.argument("name")
def enable(name: str) -> None:
    """Enable the plugin NAME again."""
    disabled = set(enabled_plugins.read_disabled())
    if normalize(name) not in disabled:
        hint = did_you_mean(name, disabled) or "No plugin is disabled. See: ganctl plugins"
        raise GanctlError(f"'{name}' is not disabled.", hint, status=USAGE)
    enabled_plugins.write_disabled(disabled - {normalize(name)})
    print(f"{name} is enabled.")
