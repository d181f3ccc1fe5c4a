"""``ganctl plugins new``: create a plugin from a template."""

from __future__ import annotations

from pathlib import Path

import click

from ganctl.cli.path_type import PathType
from ganctl.errors import USAGE, GanctlError
from ganctl.plugin import discovery, scaffold
from ganctl.plugin.names import component_name
from ganctl.system.pasteable_commands import ganctl_command, quote


@click.command("new")
@click.argument("name")
@click.option(
    "--kind",
    required=True,
    type=click.Choice(list(scaffold.USES)),
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
    """Create a working plugin as a starting point.

    The plugin is a package with a component, its registration, tests and a README. NAME is the name of the
    distribution, such as ganctl-soft-hinge. The component has the same name without ganctl-.
    """
    component, root = component_name(name), click.get_current_context().find_root()
    if kind == "command" and component in getattr(root.command, "list_commands", lambda _: [])(root):
        raise GanctlError(
            f"The command would be called '{component}', but a command with this name already exists.",
            "Choose another name.",
            status=USAGE,
        )
    files = scaffold.create(name, kind, into, discovery.discover().registry)
    folder = into / name
    for path in files:
        print(path)
    print(f"\nNext:\n  cd {quote(folder)}\n  pip install -e '.[test]'\n  pytest")
    print(f"  {ganctl_command(*scaffold.USES[kind].format(name=component).split())}")
