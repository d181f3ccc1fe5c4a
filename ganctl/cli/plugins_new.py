"""``ganctl plugins new``: create a plugin from a template."""

from __future__ import annotations

from pathlib import Path

import click

from ganctl.cli.path_type import PathType
from ganctl.plugin import discovery, scaffold
from ganctl.plugin.names import component_name
from ganctl.system.pasteable_commands import ganctl_command, quote


@click.command("new")
@click.argument("name")
@click.option(
    "--kind",
    required=True,
    type=click.Choice(list(scaffold.TRAIN_OPTIONS)),
    help="Kind of component to create.",
)
@click.option(
    "--into",
    default=".",
    show_default=True,
    type=PathType(file_okay=False),
    help="Parent directory for the new plugin.",
)
def new(name: str, kind: str, into: Path) -> None:
    """Create a working plugin to start from.

    The plugin is a package with a component, its registration, tests and a README. NAME is the name of the
    distribution, such as ganctl-soft-hinge. The component has the same name without ganctl-.
    """
    files = scaffold.create(name, kind, into, discovery.discover().registry)
    folder = into / name
    for path in files:
        print(path)
    component = component_name(name)
    print(f"\nNext:\n  cd {quote(folder)}\n  pip install -e '.[test]'\n  pytest")
    print(f"  {ganctl_command('train', *scaffold.TRAIN_OPTIONS[kind].format(name=component).split())}")
