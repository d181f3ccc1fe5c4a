"""``ganctl plugins new``."""

from __future__ import annotations

from pathlib import Path

import click

from ganctl.plugin import discovery, scaffold
from ganctl.plugin.names import component_name


@click.command("new")
@click.argument("name")
@click.option(
    "--kind", required=True, type=click.Choice(list(scaffold.TRAIN_OPTIONS)), help="What it adds to ganctl."
)
@click.option(
    "--into",
    default=".",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that its own folder is made in.",
)
def new(name: str, kind: str, into: Path) -> None:
    """Make a plugin that works: a package with a component, tests and all, to be changed into yours.

    NAME is the distribution's, as in ganctl-soft-hinge. Its component is called the same, without ganctl-.
    """
    made = scaffold.create(name, kind, into, discovery.discover().registry)
    folder = into / name
    for path in made:
        print(path)
    component = component_name(name)
    print(f"\nNext:\n  cd {folder}\n  pip install -e '.[test]'\n  pytest")
    print(f"  ganctl train {scaffold.TRAIN_OPTIONS[kind].format(name=component)}")
