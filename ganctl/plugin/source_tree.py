"""Plugins that are not installed: the source tree of a distribution, seen as if it were."""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from typing import Any

from ganctl.errors import USAGE, GanctlError
from ganctl.plugin import single_file
from ganctl.plugin.discovery import GROUP, Plugins, discover
from ganctl.plugin.selection import normalize
from ganctl.system.toml import read


class SourceTree(Distribution):
    """What ``pyproject.toml`` says, in the form of an installed distribution's metadata."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        project: Any = read(folder / "pyproject.toml").get("project")
        points: Any = project.get("entry-points", {}).get(GROUP) if isinstance(project, dict) else None
        if not points:
            raise GanctlError(
                f"{folder / 'pyproject.toml'} makes no plugin: it has no [project.entry-points.{GROUP}].",
                f'Add the module with the hooks: [project.entry-points.{GROUP}], then my-name = "my_package".',
                status=USAGE,
            )
        name, version = str(project.get("name", "unknown")), str(project.get("version", "0"))
        requires = "".join(f"Requires-Dist: {text}\n" for text in project.get("dependencies", []))
        self._files = {
            "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
            "entry_points.txt": f"[{GROUP}]\n"
            + "".join(f"{key} = {value}\n" for key, value in points.items()),
        }

    def read_text(self, filename: str) -> str | None:
        return self._files.get(filename)

    def locate_file(self, path: Any) -> Any:
        return self._folder / path


def discover_file(file: Path) -> tuple[str, Plugins]:
    """The name of the plugin in ``file``, as ``--plugin`` loads it, and all plugins with it.

    Raises:
        GanctlError: it cannot be read or used; the line is named.
    """
    plugin, found = single_file.load(file), discover()
    for component in plugin.components:
        found.registry.add(component)
    found.all.append(plugin)
    return f"{plugin.distribution}:{plugin.name}", found


def discover_tree(folder: Path) -> tuple[str, Plugins]:
    """The name of the distribution in ``folder``, and all plugins, with those of ``folder`` in place of installed ones.

    Its modules are put on ``sys.path``, from ``src`` if it has that.

    Raises:
        GanctlError: there is no ``pyproject.toml`` that makes a plugin.
    """
    if not (folder / "pyproject.toml").is_file():
        raise GanctlError(
            f"{folder} is no source tree of a plugin: it has no pyproject.toml.",
            "Give the folder with the pyproject.toml, a .py file with hooks, or the name of what is installed.",
            status=USAGE,
        )
    tree = SourceTree(folder)
    root = str((folder / "src" if (folder / "src").is_dir() else folder).resolve())
    sys.path.insert(0, root)
    for module in {point.value.partition(":")[0].partition(".")[0] for point in tree.entry_points}:
        for loaded in [name for name in sys.modules if re.match(rf"{re.escape(module)}(\.|$)", name)]:
            del sys.modules[loaded]
    points = [p for p in entry_points(group=GROUP) if not _is_of(p, tree.metadata["Name"])]
    return tree.metadata["Name"], discover([*points, *tree.entry_points])


def _is_of(point: EntryPoint, distribution: str) -> bool:
    try:
        return normalize(point.dist.name) == normalize(distribution)  # type: ignore[union-attr]
    except Exception:
        return False
