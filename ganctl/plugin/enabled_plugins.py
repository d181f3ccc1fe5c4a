"""Select the plugins to load, based on ``ganctl plugins disable`` and the variable ``GANCTL_PLUGINS``."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ganctl.errors import USAGE, GanctlError
from ganctl.plugin.names import normalize
from ganctl.system.pasteable_commands import ganctl_command

OWN = "ganctl"
NONE = "none"  # with GANCTL_PLUGINS=none, only built-in plugins are loaded


@dataclass(frozen=True)
class Selection:
    """Plugins that the user has selected or disabled, by normalized name.

    Each entry is a plugin name, a distribution name, or ``distribution:plugin``. ``only`` contains the names in
    ``GANCTL_PLUGINS``, or is None if the variable is not set.
    """

    only: frozenset[str] | None = None
    disabled: frozenset[str] = frozenset()

    def reason_to_skip(self, distribution: str, plugin: str) -> str:
        """Return the reason for not loading this plugin, or an empty string if it must be loaded."""
        names = aliases(distribution, plugin)
        if self.only is not None and distribution != OWN:
            return "" if names & self.only else "not in GANCTL_PLUGINS"
        if names & self.disabled:
            return f"disabled. Enable it: {ganctl_command('plugins', 'enable', plugin)}"
        return ""

    def missing(self, installed: Collection[str]) -> list[str]:
        """Return the names in ``GANCTL_PLUGINS`` that are not in ``installed``."""
        return sorted((self.only or frozenset()) - {NONE} - set(installed))


def aliases(distribution: str, plugin: str) -> set[str]:
    """Return all normalized names that select a plugin."""
    return {normalize(name) for name in (distribution, plugin, f"{distribution}:{plugin}")}


def read() -> Selection:
    """Read the current selection.

    Raises:
        GanctlError: The file of disabled plugins cannot be read.
    """
    text = os.environ.get("GANCTL_PLUGINS", "")
    only = frozenset(normalize(name) for name in text.split(",") if name.strip()) if text.strip() else None
    return Selection(only, frozenset(read_disabled()))


def read_disabled() -> list[str]:
    """Return the normalized names of the disabled plugins. Without a settings folder, there are none."""
    path = file()
    if path is None or not path.exists():
        return []
    from ganctl.system import toml

    names = toml.read(path).get("disabled", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise GanctlError(
            f"{path}: 'disabled' is not a list of names.", "Fix the file or delete it.", status=USAGE
        )
    return [normalize(name) for name in names]


def write_disabled(names: Collection[str]) -> None:
    """Replace the names of the disabled plugins with ``names``.

    Raises:
        GanctlError: The file cannot be written, or there is no settings folder.
    """
    from ganctl.system import toml
    from ganctl.system.files import disk_error, write_atomically

    path = file()
    if path is None:
        raise GanctlError(
            "There is no home directory in which to store the list of disabled plugins.",
            "Set GANCTL_CONFIG to a folder.",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(path, error) from error
    text = toml.write(
        {"disabled": sorted(names)},
        {"disabled": "Plugins that are not loaded. To add a plugin, run: ganctl plugins disable NAME"},
    )
    write_atomically(path, text.encode())


def file() -> Path | None:
    """Return the path of the file of disabled plugins, in ``$GANCTL_CONFIG`` or the system's settings folder.

    Return None if neither exists, for example in a container whose user has no home directory.
    """
    import click

    given = os.environ.get("GANCTL_CONFIG")
    folder = Path(os.path.expanduser(given or click.get_app_dir("ganctl")))
    # Without a home directory, "~" is not expanded and would be a folder in the working folder.
    return None if str(folder).startswith("~") else folder / "plugins.toml"
