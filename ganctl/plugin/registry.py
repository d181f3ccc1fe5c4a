"""Registry of components by kind and name, with the distribution that registered each component."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ganctl.errors import USAGE, GanctlError, did_you_mean
from ganctl.plugin.names import normalize, plugin_file
from ganctl.recipe import Model
from ganctl.system.environment_errors import environment_error
from ganctl.system.pasteable_commands import ganctl_command

#: Maps each component kind to its plural, as in the hook ``register_PLURAL`` and in ``ganctl list PLURAL``.
KINDS = {
    "model": "models",
    "generator": "generators",
    "discriminator": "discriminators",
    "loss": "losses",
    "regularizer": "regularizers",
    "dataset": "datasets",
    "optimizer": "optimizers",
    "augmentation": "augmentations",
    "latent": "latents",
    "tracker": "trackers",
    "metric": "metrics",
}
#: Maps each kind to the option of ``ganctl train`` that selects the component, if the option has a different name.
OPTIONS = {"dataset": "data", "augmentation": "augment"}
NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")


@dataclass(frozen=True)
class Component:
    """A registered component, with the plugin and distribution that registered it."""

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
        """Import the component's module and return the callable (or the :class:`Model`).

        Raises:
            GanctlError: The address does not exist, or the import fails.
        """
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            value: Any = importlib.import_module(module)
            for part in attribute.split("."):
                value = getattr(value, part)
        except (Exception, SystemExit) as error:
            if (known := environment_error(error)) is not None:
                raise known from error
            hint = f"Reinstall or update it: pip install -U {self.distribution}"
            if file := plugin_file(self.distribution):
                hint = f"In {file}, register the class or function itself instead of an address."
            raise GanctlError(
                f"The {self.kind} '{self.name}' of {self.origin} cannot be imported from {self.target}: "
                f"{type(error).__name__}: {error}",
                hint,
            ) from error
        return value


def component(kind: str, name: object, target: object, summary: object, **origin: str) -> Component:
    """Return a :class:`Component` whose name, target and summary have been checked.

    Raises:
        ValueError: The name, the target or the summary is invalid.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"{kind} name {name!r}: use lower-case letters, digits and hyphens, as in 'wgan-gp'")
    if isinstance(target, str):
        if not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*", target):
            raise ValueError(f"{kind} '{name}': the address {target!r} is not of the form 'module:attribute'")
    elif not (isinstance(target, Model) or callable(target)):
        raise ValueError(f"{kind} '{name}': {type(target).__name__} is neither an address nor a callable")
    if not isinstance(summary, str) or not summary.strip():
        raise ValueError(f"{kind} '{name}' has no summary: add one line for listings")
    return Component(kind, name, target, summary.strip(), **origin)


class Registry:
    """All components by kind and name. Two components may share a name until that name is looked up."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, list[Component]]] = {kind: {} for kind in KINDS}
        self.files: dict[str, str] = {}  # maps the path of each plugin file to the digest of its text
        # Plugins that were not loaded, each with the reason, for hints about unknown names.
        self.not_loaded: list[str] = []

    def copy(self) -> Registry:
        """Return a copy. Adding components to the copy does not change this registry."""
        other = Registry()
        for kind, table in self._tables.items():
            other._tables[kind] = {name: list(items) for name, items in table.items()}
        other.files, other.not_loaded = dict(self.files), list(self.not_loaded)
        return other

    def add(self, item: Component) -> None:
        self._tables[item.kind].setdefault(item.name, []).append(item)

    def names(self, kind: str) -> list[str]:
        return sorted(self._tables[kind])

    def all(self, kind: str) -> list[Component]:
        """Return all components of ``kind`` sorted by name, including duplicates."""
        return [item for name in self.names(kind) for item in self._tables[kind][name]]

    def find(self, kind: str, name: str) -> list[Component]:
        """Return the components that match ``name`` or ``distribution:name``."""
        distribution, _, short = name.rpartition(":")
        found = self._tables[kind].get(short, [])
        if distribution:
            return [item for item in found if normalize(item.distribution) == normalize(distribution)]
        return found

    def get(self, kind: str, name: str) -> Component:
        """Return the component that matches ``name`` or ``distribution:name``.

        Raises:
            GanctlError: There is no such component (the error suggests the nearest name), or there are several.
        """
        found = self.find(kind, name)
        if len(found) == 1:
            return found[0]
        if not found:
            hint, see = did_you_mean(name, self.names(kind)), ganctl_command("list", KINDS[kind])
            if others := [other for other in KINDS if self.find(other, name)]:
                uses = (f"{_a(other)} of this name: --{OPTIONS.get(other, other)} {name}" for other in others)
                hint = f"There is {', and '.join(uses)}."
            if self.not_loaded:
                hint += f" Plugins that are not loaded: {', '.join(self.not_loaded)}."
                see = ganctl_command("plugins")
            hint = f"{hint} See: {see}".strip()
            raise GanctlError(f"There is no {kind} '{name}'.", hint, status=USAGE)
        claims = ", ".join(f"{item.origin} (plugin '{item.plugin}')" for item in found)
        choices = sorted({f"{item.distribution}:{item.name}" for item in found})
        if len(choices) > 1:
            hint = f"Choose one: {' or '.join(choices)}"
        else:
            file = plugin_file(found[0].distribution)
            hint = (
                f"Rename one in {file}."
                if file
                else f"Ask the authors of {found[0].distribution} to rename one."
            )
        raise GanctlError(f"Several plugins register the {kind} '{name}': {claims}.", hint, status=USAGE)


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
