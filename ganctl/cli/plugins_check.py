"""``ganctl plugins check``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganctl.errors import USAGE, GanctlError
from ganctl.plugin.discovery import Plugins, discover

if TYPE_CHECKING:
    from ganctl.testing import Checked


@click.command("check")
@click.argument("target", metavar="NAME|PATH")
@click.pass_context
def check(ctx: click.Context, target: str) -> None:
    """Try whether a plugin does all that ganctl relies on.

    NAME is an installed plugin, a distribution, or one component. PATH is the source tree of a plugin, which need not
    be installed, or a single .py file. The exit status is 1 if anything failed.
    """
    single_file = target.endswith(".py")
    name, found = _find(target)
    print("Checking …", flush=True)  # torch takes its time
    from ganctl import testing

    done = testing.checks_of(name, found=found, single_file=single_file, progress=_show)
    failures = sum(len(checked.failures) for checked in done)
    looked_at = sum(not checked.note for checked in done)
    print(f"{looked_at} checked, {failures or 'no'} failure{'s' * (failures != 1)}.")
    if failures:
        ctx.exit(1)


def _find(target: str) -> tuple[str, Plugins]:
    path = Path(target)
    looks_like_path = os.sep in target or "/" in target or target == "." or target.endswith(".py")
    if not looks_like_path and not (path / "pyproject.toml").is_file():
        return target, discover()
    if not path.exists():
        raise GanctlError(
            f"There is no {target}.", "Give a source tree, a .py file, or the name of a plugin.", status=USAGE
        )
    from ganctl.plugin import source_tree

    return source_tree.discover_tree(path) if path.is_dir() else source_tree.discover_file(path)


def _show(checked: Checked) -> None:
    if checked.note:
        print(f"passed over  {checked.what}: {checked.note}", flush=True)
        return
    print(f"{'FAILED' if checked.failures else 'ok':<12} {checked.what}", flush=True)
    for failure in checked.failures:
        print(f"    {failure}")
