"""Which plugins are to be loaded: what ``ganctl plugins disable`` wrote down, and ``GANCTL_PLUGINS``."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ganctl.errors import USAGE, GanctlError

OWN = "ganctl"
NONE = "none"  # GANCTL_PLUGINS=none: only ganctl's own


@dataclass(frozen=True)
class Switches:
    """``only``: the plugins named by ``GANCTL_PLUGINS`` (None: it is not set); ``disabled``: those switched off.

    A plugin is meant by its own name, by its distribution's, or by ``distribution:plugin``.
    """

    only: frozenset[str] | None = None
    disabled: frozenset[str] = frozenset()

    def why_not(self, distribution: str, plugin: str) -> str:
        """Why this plugin is to be left out, in a few words; empty if it is not."""
        means = names_of(distribution, plugin)
        if self.only is not None and distribution != OWN:
            return "" if means & self.only else "not in GANCTL_PLUGINS"
        return f"disabled; ganctl plugins enable {plugin}" if means & self.disabled else ""

    def unknown(self, there_are: Collection[str]) -> list[str]:
        """What ``GANCTL_PLUGINS`` names though it is not among the names ``there_are``."""
        return sorted((self.only or frozenset()) - {NONE} - set(there_are))


def names_of(distribution: str, plugin: str) -> set[str]:
    """All that a plugin may be called, normalized."""
    return {normalize(name) for name in (distribution, plugin, f"{distribution}:{plugin}")}


def normalize(name: str) -> str:
    """One spelling of a distribution's name, which may be written with capitals, dots and underscores."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def read() -> Switches:
    """What holds now.

    Raises:
        GanctlError: the file of disabled plugins cannot be read.
    """
    text = os.environ.get("GANCTL_PLUGINS", "")
    only = frozenset(normalize(name) for name in text.split(",") if name.strip()) if text.strip() else None
    return Switches(only, frozenset(read_disabled()))


def read_disabled() -> list[str]:
    """The names that are switched off, as they were written down."""
    if not file().exists():
        return []
    from ganctl.system import toml

    names = toml.read(file()).get("disabled", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise GanctlError(
            f"{file()}: 'disabled' is not a list of names.", "Mend it or delete it.", status=USAGE
        )
    return [normalize(name) for name in names]


def write_disabled(names: Collection[str]) -> None:
    """Remember ``names`` and no others as switched off."""
    from ganctl.system import toml
    from ganctl.system.files import disk_error, write_atomically

    path = file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(path, error) from error
    text = toml.write({"disabled": sorted(names)}, {"disabled": "ganctl plugins disable|enable NAME"})
    write_atomically(path, text.encode())


def file() -> Path:
    """Where it is remembered: in ``$GANCTL_CONFIG``, or where this system keeps settings of programs."""
    import click

    return Path(os.environ.get("GANCTL_CONFIG") or click.get_app_dir("ganctl")) / "plugins.toml"
