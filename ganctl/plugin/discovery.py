"""Discover plugins, keep a broken one from breaking the rest, and remember who registered what."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from ganctl.errors import GanctlError, did_you_mean
from ganctl.plugin import compatibility, hookspecs, selection
from ganctl.plugin.registry import KINDS, Component, Registry, component
from ganctl.recipe import Model

if TYPE_CHECKING:
    import click

GROUP = "ganctl"
SLOW = 0.1  # seconds that a plugin may take before it is named for it


@dataclass
class Plugin:
    """One entry point: where it came from, what it registered, how long that took, what went wrong.

    ``left_out``: why it was not even loaded, if somebody wanted it so; ``imports_torch``: while registering.
    """

    name: str
    module: str
    distribution: str
    version: str
    components: list[Component] = field(default_factory=list)
    commands: list[click.Command] = field(default_factory=list)
    seconds: float = 0.0
    error: str = ""
    left_out: str = ""
    imports_torch: bool = False
    exception: BaseException | None = field(default=None, repr=False)

    @property
    def origin(self) -> str:
        return f"{self.distribution} {self.version}"

    @property
    def faults(self) -> list[str]:
        """What makes every command slower than it need be, in words."""
        faults = []
        if self.seconds > SLOW:
            faults.append(f"slow: {self.seconds * 1000:.0f} ms at every start")
        if self.imports_torch:
            faults.append("imports torch when it registers; an address 'module:attribute' would not")
        return faults


@dataclass
class Plugins:
    """All plugins of this environment and the registry that they filled."""

    all: list[Plugin]
    registry: Registry
    missing: list[str] = field(default_factory=list)  # named by GANCTL_PLUGINS, but not installed

    @property
    def broken(self) -> list[Plugin]:
        return [plugin for plugin in self.all if plugin.error]


@lru_cache(maxsize=1)
def load() -> Plugins:
    """The installed plugins, discovered once a process; broken ones are named on stderr.

    Raises:
        GanctlError: a plugin is broken and ``GANCTL_STRICT=1`` is set.
    """
    plugins = discover()
    for plugin in plugins.broken:
        message = f"plugin '{plugin.name}' of {plugin.origin} was left out: {plugin.error}"
        if os.environ.get("GANCTL_STRICT") == "1":
            raise GanctlError(
                message[0].upper() + message[1:], "GANCTL_STRICT=1 makes this an error."
            ) from plugin.exception
        print(f"warning: {message} (see: ganctl plugins)", file=sys.stderr)
    for name in plugins.missing:
        print(f"warning: GANCTL_PLUGINS names '{name}', which is not installed", file=sys.stderr)
    return plugins


def registry() -> Registry:
    """The registry of the installed plugins."""
    return load().registry


def discover(points: Iterable[EntryPoint] | None = None) -> Plugins:
    """Load each entry point, the installed ones by default, on its own.

    Nothing that a plugin does here raises: it ends in ``Plugin.error``.

    Raises:
        GanctlError: what ``ganctl plugins disable`` wrote down cannot be read.
    """
    found, wanted = Plugins([], Registry()), selection.read()
    points = entry_points(group=GROUP) if points is None else points
    origins = [(*_origin(point.dist), point) for point in points]
    for distribution, version, point in sorted(origins, key=lambda origin: (origin[0], origin[2].name)):
        plugin = Plugin(name=point.name, module=point.value, distribution=distribution, version=version)
        plugin.left_out = wanted.why_not(distribution, point.name)
        if not plugin.left_out:
            _load(plugin, point)
        for item in plugin.components:
            found.registry.add(item)
        if plugin.left_out or plugin.error:
            found.registry.left_out.append(f"{plugin.name} ({plugin.left_out or 'broken; ganctl plugins'})")
        found.all.append(plugin)
    found.missing = wanted.unknown(
        set().union(*(selection.names_of(p.distribution, p.name) for p in found.all))
    )
    return found


def _load(plugin: Plugin, point: EntryPoint) -> None:
    started, before = time.perf_counter(), set(sys.modules)
    try:
        compatibility.check(point, plugin.distribution)
        # What a plugin prints must not get into the output of a --json.
        with contextlib.redirect_stdout(sys.stderr):
            register(plugin, point.load())
    # SystemExit too: a module that calls sys.exit() must not end ganctl.
    except (Exception, SystemExit) as error:
        kind = "" if isinstance(error, GanctlError) else f"{type(error).__name__}: "
        plugin.error = " ".join(f"{kind}{error}".split()).removesuffix(":")
        plugin.exception = error
        # All or nothing: half a plugin would fail later and far from its cause.
        plugin.components.clear()
        plugin.commands.clear()
    plugin.seconds = time.perf_counter() - started
    plugin.imports_torch = _imports_torch(set(sys.modules) - before)


def _imports_torch(new: set[str]) -> bool:
    """Whether the modules that are ``new`` brought torch in, or use it where it was there before."""
    if "torch" in new or "torch" not in sys.modules:
        return "torch" in new
    values = [value for name in new for value in getattr(sys.modules.get(name), "__dict__", {}).values()]
    return any(isinstance(v, ModuleType) and v.__name__.partition(".")[0] == "torch" for v in values)


@lru_cache(maxsize=64)  # a distribution may have many plugins, and parsing its metadata takes a millisecond
def _origin(dist: Distribution | None) -> tuple[str, str]:
    """Distribution and version; an interrupted installation leaves entry points without METADATA."""
    try:
        name, version = dist.name, dist.version  # type: ignore[union-attr]
    except Exception:
        name = version = None
    return name or "unknown", version or "0"


def register(plugin: Plugin, module: object) -> None:
    """Call the hooks of ``module``; what they register is in ``plugin`` then.

    Raises:
        GanctlError: no hook, or one that is misspelt; besides whatever the hooks raise.
    """
    # A manager a plugin: one failing implementation would abort a hook call that others share.
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(module, name=plugin.name)
    implemented = manager.get_hookcallers(module) or []
    if not implemented:
        raise GanctlError(f"module '{plugin.module}' implements no hook; mark them with @ganctl.hookimpl")
    for caller in implemented:
        if not caller.has_spec():
            raise GanctlError(f"there is no hook '{caller.name}'. {did_you_mean(caller.name, _hook_names())}")
        register = _register_for(plugin, caller.name)
        for implementation in caller.get_hookimpls():
            implementation.function(*[register for _ in implementation.argnames])


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


def _hook_names() -> list[str]:
    return [name for name in dir(hookspecs) if name.startswith("register_")]
