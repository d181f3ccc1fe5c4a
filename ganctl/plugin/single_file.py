"""A plugin without packaging: one Python file with hooks, loaded only because somebody names its path now.

What a config or a checkpoint records of it is its path and the digest of its text. That never loads it: settings
that one shares must not run code.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from ganctl.errors import CHECKPOINT, USAGE, GanctlError
from ganctl.plugin import discovery
from ganctl.plugin.registry import Registry

NAMESPACE = "ganctl_files"  # of the modules that the files become
SCHEME = "file:"  # what their distributions are called


def registry_with(files: Sequence[Path | str]) -> Registry:
    """The registry of the installed plugins, and with it what each of ``files`` registers.

    Raises:
        GanctlError: a file cannot be read or is broken, or two have the same name.
    """
    registry = discovery.registry()
    if not files:
        return registry
    registry = registry.copy()
    for path in dict.fromkeys(map(Path, files)):
        if path.name in map(_name, registry.files):
            raise GanctlError(
                f"Two plugin files are called {path.name}.",
                "Rename one of them: that is their name.",
                status=USAGE,
            )
        plugin = load(path)
        for item in plugin.components:
            registry.add(item)
        registry.files[str(path)] = plugin.version
    return registry


def load(path: Path) -> discovery.Plugin:
    """What ``path`` registers. Its version is the start of the SHA-256 of its text.

    Raises:
        GanctlError: it cannot be read, or running it or its hooks fails; the line is named.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise GanctlError(
            f"Cannot read the plugin file {path}: {error.strerror}.",
            "Give a Python file with hooks, as in --plugin ./my_loss.py.",
            status=USAGE,
        ) from error
    digest = hashlib.sha256(source).hexdigest()[:12]
    name = f"{NAMESPACE}.{re.sub(r'[^A-Za-z0-9_]', '_', path.stem)}_{digest}"
    plugin = discovery.Plugin(path.stem, name, distribution(path.name), digest)
    module = ModuleType(name)
    module.__file__ = str(path.absolute())
    sys.modules[name] = module  # where typing, dataclasses and pickle look names up
    try:
        exec(compile(source, str(path.absolute()), "exec"), vars(module))
        discovery.register(plugin, module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        kind = "" if isinstance(error, GanctlError) else f"{type(error).__name__}: "
        raise GanctlError(
            f"The plugin file {path} cannot be used: {kind}{error}{_line_of(error, path)}",
            "Mend it; 'ganctl --debug …' shows the traceback. What such a file holds: docs/plugins.md",
        ) from error
    if plugin.commands:
        raise GanctlError(
            f"The plugin file {path} registers a command, which only an installed plugin can.",
            "Leave register_commands out, or make it a package: ganctl plugins new NAME",
        )
    return plugin


def check_recorded(registry: Registry, recorded: Mapping[str, str], *, exact: bool) -> list[str]:
    """Check that the plugin files that a config or checkpoint records are loaded and unchanged.

    Args:
        registry: the registry that the plugin files were loaded into.
        recorded: digest by path, as in the setting ``plugins``.
        exact: raise an error if a file has changed.

    Returns:
        A warning for each file that has changed.

    Raises:
        GanctlError: a file is not loaded, or has changed and ``exact`` is True.
    """
    warnings = []
    loaded = {_name(path): digest for path, digest in registry.files.items()}
    for path, digest in recorded.items():
        if _name(path) not in loaded:
            raise GanctlError(
                f"This was made with the plugin file {path}, which is loaded only if you ask for it.",
                f"It would run as a program. If you trust it, add: --plugin {shlex.quote(path)}  "
                f"(from Python: plugins=[{path!r}])",
                status=USAGE,
            )
        if loaded[_name(path)] == digest:
            continue
        changed = f"the plugin file {_name(path)} has changed: {loaded[_name(path)]} now, {digest} then"
        if exact:
            raise GanctlError(
                f"A run goes on as it began, but {changed}.",
                "Put the old text back, or begin a new run with the settings of this one: --config RUN/config.toml",
                status=CHECKPOINT,
            )
        warnings.append(changed)
    return warnings


def _name(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]


def distribution(path: str) -> str:
    """What stands for a package's name where a component of the file ``path`` is named."""
    return SCHEME + re.sub(r"[^\w.+-]", "-", _name(path), flags=re.ASCII)


def _line_of(error: BaseException, path: Path) -> str:
    lines = [
        f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path.absolute())
    ]
    if isinstance(error, SyntaxError):
        return ""  # its text has it
    return f" (line {lines[-1]})" if lines else ""
