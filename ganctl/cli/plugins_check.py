"""``ganctl plugins check``: check that a plugin fulfills its contracts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganctl.errors import USAGE, GanctlError
from ganctl.plugin.discovery import Plugins, discover
from ganctl.system.environment_errors import require_temporary_folder

if TYPE_CHECKING:
    from ganctl.testing import CheckResult


@click.command("check")
@click.argument("target", metavar="NAME|PATH")
@click.pass_context
def check(ctx: click.Context, target: str) -> None:
    """Check that a plugin fulfills the contracts that ganctl relies on.

    NAME is an installed plugin, a distribution, or a component. PATH is the source tree of a plugin, which need not be
    installed, or a single .py file. The exit status is 1 if a check fails.
    """
    single_file = target.endswith(".py")
    name, found = _find(target)
    require_temporary_folder()  # otherwise every component that builds an optimizer would fail
    print("Checking …", flush=True)  # before importing torch, which takes seconds
    from ganctl import testing

    results = testing.run_checks(name, found=found, single_file=single_file, progress=_show)
    failures = sum(len(result.failures) for result in results)
    checked = sum(not result.skipped for result in results)
    print(f"{checked} checked, {failures or 'no'} failure{'s' * (failures != 1)}.")
    if failures:
        ctx.exit(1)


def _find(target: str) -> tuple[str, Plugins]:
    path = Path(target)
    looks_like_path = os.sep in target or "/" in target or target == "." or target.endswith(".py")
    if not looks_like_path and not (path / "pyproject.toml").is_file():
        return target, discover()
    if not path.exists():
        raise GanctlError(
            f"There is no {target}.", "Give a source tree, a .py file or the name of a plugin.", status=USAGE
        )
    from ganctl.plugin import single_file, source_tree

    return source_tree.discover_with(path) if path.is_dir() else single_file.discover_with(path)


def _show(result: CheckResult) -> None:
    if result.skipped:
        print(f"skipped      {result.subject}: {result.skipped}", flush=True)
        return
    print(f"{'FAILED' if result.failures else 'ok':<12} {result.subject}", flush=True)
    for failure in result.failures:
        print(f"    {failure}")
