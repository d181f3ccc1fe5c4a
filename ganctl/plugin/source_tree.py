"""Load plugins from a source tree as if its distribution were installed."""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from typing import Any

from ganctl.errors import USAGE, GanctlError
from ganctl.plugin import installed_entry_points
from ganctl.plugin.discovery import GROUP, Plugins, discover
from ganctl.plugin.names import normalize
from ganctl.system.toml import read


class SourceTree(Distribution):
    """A distribution whose metadata is read from ``pyproject.toml``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        project: Any = read(folder / "pyproject.toml").get("project")
        points: Any = project.get("entry-points", {}).get(GROUP) if isinstance(project, dict) else None
        if not points:
            raise GanctlError(
                f"{folder / 'pyproject.toml'} defines no plugin: it has no [project.entry-points.{GROUP}].",
                f'Add the table [project.entry-points.{GROUP}] with an entry such as my-name = "my_package".',
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


def discover_with(folder: Path) -> tuple[str, Plugins]:
    """Return the name of the distribution in ``folder``, and all plugins, including the distribution's plugins.

    If the distribution is also installed, its installed plugins are replaced. The subfolder ``src``, or ``folder`` if
    there is no ``src``, is added to ``sys.path``.

    Raises:
        GanctlError: The folder does not contain a ``pyproject.toml`` that defines a plugin.
    """
    if not (folder / "pyproject.toml").is_file():
        raise GanctlError(
            f"{folder} is not the source tree of a plugin: it has no pyproject.toml.",
            "Give the folder that contains pyproject.toml, a .py file with hooks, or the name of an installed plugin.",
            status=USAGE,
        )
    tree = SourceTree(folder)
    root = str((folder / "src" if (folder / "src").is_dir() else folder).resolve())
    sys.path.insert(0, root)
    for module in {point.value.partition(":")[0].partition(".")[0] for point in tree.entry_points}:
        for loaded in [name for name in sys.modules if re.match(rf"{re.escape(module)}(\.|$)", name)]:
            del sys.modules[loaded]
    points = [p for p in installed_entry_points.read(GROUP)[0] if not _belongs_to(p, tree.metadata["Name"])]
    return tree.metadata["Name"], discover([*points, *tree.entry_points])


def _belongs_to(point: EntryPoint, distribution: str) -> bool:
    try:
        return normalize(point.dist.name) == normalize(distribution)  # type: ignore[union-attr]
    except Exception:
        return False
