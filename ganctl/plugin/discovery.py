"""Discover plugins. Each entry point is loaded separately, so that a broken plugin cannot affect other plugins."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from ganctl.errors import GanctlError, did_you_mean
from ganctl.plugin import compatibility, enabled_plugins, hookspecs, installed_entry_points
from ganctl.plugin.registry import KINDS, Component, Registry, component
from ganctl.recipe import Model

if TYPE_CHECKING:
    import click

GROUP = "ganctl"
SLOW = 0.1  # seconds; a plugin that takes longer to register is reported as slow


@dataclass
class Plugin:
    """A plugin's entry point with its origin, components, commands, loading time and error.

    ``skipped`` is the reason if the user excluded the plugin, and otherwise empty. ``imports_torch`` is True if
    registering the plugin imported torch. ``unmarked`` contains the names of functions that are named like a hook but
    not marked with ``@ganctl.hookimpl``. ``idle`` contains the names of hooks that registered nothing.
    """

    name: str
    module: str
    distribution: str
    version: str
    components: list[Component] = field(default_factory=list)
    commands: list[click.Command] = field(default_factory=list)
    seconds: float = 0.0
    error: str = ""
    skipped: str = ""
    imports_torch: bool = False
    unmarked: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    exception: BaseException | None = field(default=None, repr=False)

    @property
    def origin(self) -> str:
        return f"{self.distribution} {self.version}"

    @property
    def warnings(self) -> list[str]:
        """One line for each function that is named like a hook but never called."""
        return [
            f"the function {name} of the plugin '{self.name}' of {self.origin} is ignored, because it is not marked "
            "with @ganctl.hookimpl"
            for name in self.unmarked
        ]

    @property
    def slowdowns(self) -> list[str]:
        """Reasons why this plugin slows down every command."""
        reasons = []
        if self.seconds > SLOW:
            reasons.append(f"slow: {self.seconds * 1000:.0f} ms at every start")
        if self.imports_torch:
            reasons.append("imports torch when it registers; register an address 'module:attribute' instead")
        return reasons


@dataclass
class Plugins:
    """All plugins in this environment, and the registry of their components."""

    all: list[Plugin]
    registry: Registry
    missing: list[str] = field(default_factory=list)  # in GANCTL_PLUGINS, but not installed
    unreadable: list[str] = field(default_factory=list)  # one line per distribution with damaged entry points

    @property
    def broken(self) -> list[Plugin]:
        return [plugin for plugin in self.all if plugin.error]

    @property
    def warnings(self) -> list[str]:
        """Warnings about distributions that cannot be read and about plugins that work only partially."""
        damaged = "; ".join(self.unreadable)
        unread = [f"{damaged}: reinstall this package or delete the folder"] if damaged else []
        return [*unread, *(line for plugin in self.all for line in plugin.warnings)]


@lru_cache(maxsize=1)
def load() -> Plugins:
    """Return the installed plugins, discovered once per process. Print warnings about broken plugins on stderr.

    Raises:
        GanctlError: A plugin is broken and ``GANCTL_STRICT=1`` is set.
    """
    plugins = discover()
    for plugin in plugins.broken:
        message = f"plugin '{plugin.name}' of {plugin.origin} cannot be loaded: {plugin.error}"
        if os.environ.get("GANCTL_STRICT") == "1":
            raise GanctlError(
                message[0].upper() + message[1:], "Fix or uninstall it, or unset GANCTL_STRICT."
            ) from plugin.exception
        print(f"warning: {message.rstrip('.')}. See: ganctl plugins", file=sys.stderr)
    for name in plugins.missing:
        print(f"warning: the plugin '{name}' in GANCTL_PLUGINS is not installed", file=sys.stderr)
    for message in plugins.warnings:
        print(f"warning: {message}", file=sys.stderr)
    return plugins


def registry() -> Registry:
    """Return the registry of installed plugins."""
    return load().registry


def discover(points: Iterable[EntryPoint] | None = None) -> Plugins:
    """Load each entry point separately. By default, load all installed entry points.

    An exception in a plugin is stored in ``Plugin.error`` and not raised.

    Raises:
        GanctlError: The file of disabled plugins cannot be read.
    """
    found, selected = Plugins([], Registry()), enabled_plugins.read()
    if points is None:
        points, found.unreadable = installed_entry_points.read(GROUP)
    origins = [(*_origin(point.dist), point) for point in points]
    for distribution, version, point in sorted(origins, key=lambda origin: (origin[0], origin[2].name)):
        plugin = Plugin(name=point.name, module=point.value, distribution=distribution, version=version)
        plugin.skipped = selected.reason_to_skip(distribution, point.name)
        if not plugin.skipped:
            _load(plugin, point)
        for item in plugin.components:
            found.registry.add(item)
        if plugin.skipped or plugin.error:
            found.registry.not_loaded.append(f"{plugin.name} ({'disabled' if plugin.skipped else 'broken'})")
        found.all.append(plugin)
    found.missing = selected.missing(
        set().union(*(enabled_plugins.aliases(p.distribution, p.name) for p in found.all))
    )
    return found


def _load(plugin: Plugin, point: EntryPoint) -> None:
    started, before = time.perf_counter(), set(sys.modules)
    try:
        compatibility.check(point, plugin.distribution)
        # Text printed by a plugin must not be mixed with the output of --json.
        with contextlib.redirect_stdout(sys.stderr):
            register(plugin, point.load())
    # Also catch SystemExit, because a module that calls sys.exit() must not end ganctl.
    except (Exception, SystemExit) as error:
        kind = "" if isinstance(error, GanctlError) else f"{type(error).__name__}: "
        plugin.error = " ".join(f"{kind}{error}".split()).removesuffix(":")
        plugin.exception = error
        # Discard all components, because a partially loaded plugin would fail later, far from the cause.
        plugin.components.clear()
        plugin.commands.clear()
    plugin.seconds = time.perf_counter() - started
    plugin.imports_torch = _imports_torch(set(sys.modules) - before)


def _imports_torch(new: set[str]) -> bool:
    """Return True if the modules in ``new`` import torch, even if torch had already been imported."""
    if "torch" in new or "torch" not in sys.modules:
        return "torch" in new
    values = [value for name in new for value in getattr(sys.modules.get(name), "__dict__", {}).values()]
    return any(isinstance(v, ModuleType) and v.__name__.partition(".")[0] == "torch" for v in values)


@lru_cache(maxsize=64)  # parsing metadata takes a millisecond, and a distribution may have many plugins
def _origin(dist: Distribution | None) -> tuple[str, str]:
    return installed_entry_points.name_and_version(dist)


def register(plugin: Plugin, module: object) -> None:
    """Call the hooks in ``module`` and store everything they register in ``plugin``.

    Raises:
        GanctlError: There is no hook, or a hook's name is misspelled. Exceptions raised by hooks are propagated.
    """
    # Each plugin has a separate manager, because one failing hook would abort a call shared with other plugins.
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(module, name=plugin.name)
    implemented = manager.get_hookcallers(module) or []
    if not implemented:
        raise GanctlError(
            f"module '{plugin.module}' does not implement a hook; mark hooks with @ganctl.hookimpl"
        )
    for caller in implemented:
        if not caller.has_spec():
            raise GanctlError(f"there is no hook '{caller.name}'. {did_you_mean(caller.name, _hook_names())}")
        register, before = _register_for(plugin, caller.name), len(plugin.components) + len(plugin.commands)
        for implementation in caller.get_hookimpls():
            implementation.function(*[register for _ in implementation.argnames])
        if len(plugin.components) + len(plugin.commands) == before:
            plugin.idle.append(caller.name)
    called = {caller.name for caller in implemented}
    plugin.unmarked = [
        name
        for name in _hook_names()
        if name not in called and callable(function := getattr(module, name, None)) and not _is_spec(function)
    ]


def _register_for(plugin: Plugin, hook: str) -> Callable[..., None]:
    origin = {"plugin": plugin.name, "distribution": plugin.distribution, "version": plugin.version}
    plural = hook.removeprefix("register_")

    def register_command(command: Any) -> None:
        import click

        if not isinstance(command, click.Command) or not command.name:
            raise TypeError(f"register_commands takes a named click.Command, not {command!r}")
        plugin.commands.append(command)

    def register_model(model: Any) -> None:
        if not isinstance(model, Model):
            raise TypeError(f"register_models takes a ganctl.Model, not {type(model).__name__}")
        plugin.components.append(component("model", model.name, model, model.summary, **origin))

    def register(name: Any, target: Any, *, summary: Any = None) -> None:
        kind = next(kind for kind, name in KINDS.items() if name == plural)
        plugin.components.append(component(kind, name, target, summary, **origin))

    return {"commands": register_command, "models": register_model}.get(plural, register)


def _is_spec(function: object) -> bool:
    """Return whether ``function`` is imported from :mod:`ganctl.plugin.hookspecs`."""
    return hasattr(function, f"{GROUP}_spec")


def _hook_names() -> list[str]:
    return [name for name in dir(hookspecs) if name.startswith("register_")]
