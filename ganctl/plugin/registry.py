"""Named tables of components: who registered what, and which one a name means."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ganctl.errors import USAGE, GanctlError, did_you_mean
from ganctl.recipe import Model

#: Kind of component → its plural, as in the names of hooks and in ``ganctl list models``.
KINDS = {
    "model": "models",
    "generator": "generators",
    "discriminator": "discriminators",
    "loss": "losses",
    "dataset": "datasets",
    "optimizer": "optimizers",
    "augmentation": "augmentations",
    "latent": "latents",
    "tracker": "trackers",
    "metric": "metrics",
}
NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")


@dataclass(frozen=True)
class Component:
    """One registered name, with the distribution that it came from."""

    kind: str
    name: str
    target: str | Callable[..., Any] | Model
    summary: str
    plugin: str
    distribution: str
    version: str

    @property
    def origin(self) -> str:
        return f"{self.distribution} {self.version}"

    def load(self) -> Any:
        """The callable (or :class:`Model`) behind the name; its module is imported now.

        Raises:
            GanctlError: the address leads nowhere, or importing it fails.
        """
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            value: Any = importlib.import_module(module)
            for part in attribute.split("."):
                value = getattr(value, part)
        except (Exception, SystemExit) as error:
            raise GanctlError(
                f"The {self.kind} '{self.name}' of {self.origin} cannot be imported from {self.target}: "
                f"{type(error).__name__}: {error}",
                f"Reinstall or update it: pip install -U {self.distribution}",
            ) from error
        return value


def component(kind: str, name: object, target: object, summary: object, **origin: str) -> Component:
    """A checked :class:`Component`.

    Raises:
        ValueError: a name, target or summary that no user could work with; the text says which.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"{kind} name {name!r}: use lower-case letters, digits and hyphens, as in 'wgan-gp'")
    if isinstance(target, str):
        if not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*", target):
            raise ValueError(f"{kind} '{name}': the address {target!r} is not of the form 'module:attribute'")
    elif not (isinstance(target, Model) or callable(target)):
        raise ValueError(f"{kind} '{name}': {type(target).__name__} is neither an address nor a callable")
    if not isinstance(summary, str) or not summary.strip():
        raise ValueError(f"{kind} '{name}' has no summary: one line for 'ganctl list {KINDS[kind]}'")
    return Component(kind, name, target, summary.strip(), **origin)


class Registry:
    """All components by kind and name. Two of one name stand side by side until that name is asked for."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, list[Component]]] = {kind: {} for kind in KINDS}
        self.files: dict[str, str] = {}  # plugin files by path: the digest of their text
        # Plugins that are not in the tables, and why, for whoever misses a name.
        self.left_out: list[str] = []

    def copy(self) -> Registry:
        """One that may be added to without changing this."""
        other = Registry()
        for kind, table in self._tables.items():
            other._tables[kind] = {name: list(items) for name, items in table.items()}
        other.files, other.left_out = dict(self.files), list(self.left_out)
        return other

    def add(self, item: Component) -> None:
        self._tables[item.kind].setdefault(item.name, []).append(item)

    def names(self, kind: str) -> list[str]:
        return sorted(self._tables[kind])

    def all(self, kind: str) -> list[Component]:
        """Every component of ``kind``, by name; duplicates included."""
        return [item for name in self.names(kind) for item in self._tables[kind][name]]

    def find(self, kind: str, name: str) -> list[Component]:
        """Components that ``name`` or ``distribution:name`` may mean; empty when there is none."""
        distribution, _, short = name.rpartition(":")
        found = self._tables[kind].get(short, [])
        if distribution:
            return [item for item in found if _normalize(item.distribution) == _normalize(distribution)]
        return found

    def get(self, kind: str, name: str) -> Component:
        """The component that ``name`` means.

        Raises:
            GanctlError: no such name (the nearest is suggested), or several distributions claim it.
        """
        found = self.find(kind, name)
        if len(found) == 1:
            return found[0]
        if not found:
            hint = f"{did_you_mean(name, self.names(kind))} See: ganctl list {KINDS[kind]}".strip()
            if self.left_out:
                hint += f" Plugins left out: {', '.join(self.left_out)}."
            raise GanctlError(f"There is no {kind} '{name}'.", hint, status=USAGE)
        claims = ", ".join(f"{item.origin} (plugin '{item.plugin}')" for item in found)
        choices = sorted({f"{item.distribution}:{item.name}" for item in found})
        if len(choices) > 1:
            hint = f"Say which: {' or '.join(choices)}"
        else:
            hint = f"Ask the authors of {found[0].distribution} to rename one."
        raise GanctlError(f"Several plugins register the {kind} '{name}': {claims}.", hint, status=USAGE)


def _normalize(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()
