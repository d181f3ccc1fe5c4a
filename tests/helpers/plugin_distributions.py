"""Create installed distributions for tests: a module and a dist-info folder, as created by a package manager."""

from __future__ import annotations

import re
import textwrap
from importlib.metadata import EntryPoint, PathDistribution
from pathlib import Path


def install(
    folder: Path,
    distribution: str,
    source: str,
    *,
    version: str = "1.0",
    entry_point: str = "",
    metadata: bool = True,
    requires: str = "",
    **modules: str,
) -> list[EntryPoint]:
    """Install ``distribution`` in ``folder``: a module with the same name and the given source, and more ``modules``.

    Return the distribution's entry points, read with importlib. To import the module, add the folder to ``sys.path``.
    """
    module = re.sub(r"\W", "_", distribution)
    for name, text in {module: source, **modules}.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
    info = folder / f"{module}-{version}.dist-info"
    info.mkdir()
    if metadata:
        text = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        (info / "METADATA").write_text(text + (f"Requires-Dist: {requires}\n" if requires else ""))
    (info / "entry_points.txt").write_text(f"[ganctl]\n{entry_point or f'{module} = {module}'}\n")
    return list(PathDistribution(info).entry_points)


LOSS = """
    import ganctl

    @ganctl.hookimpl
    def register_losses(register):
        register("my-loss", "{module}:MyLoss", summary="A loss of {module}")

    class MyLoss:
        pass
"""

COMMAND = """
    import click
    import ganctl

    @click.command()
    def hello():
        "Say hello."
        print("hello from {module}")

    @ganctl.hookimpl
    def register_commands(register):
        register(hello)
"""
