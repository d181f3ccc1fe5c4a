"""Plugins in a single Python file, loaded only if the user gives the file's path.

A config or a checkpoint records the path of such a file and the digest of its text. Reading the config or checkpoint
does not load the file, because settings from someone else must not run code.
"""

from __future__ import annotations

import hashlib
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from ganctl.errors import CHECKPOINT, USAGE, GanctlError
from ganctl.plugin import discovery
from ganctl.plugin.names import FILE_SCHEME, identifier
from ganctl.plugin.registry import Registry
from ganctl.system.files import read_regular
from ganctl.system.pasteable_commands import ganctl_pattern, quote
from ganctl.system.progress import print_warnings

NAMESPACE = "ganctl_files"  # prefix of the loaded modules' names


def registry_with(files: Sequence[Path | str]) -> Registry:
    """Return the registry of installed plugins, extended with the components registered in ``files``.

    Raises:
        GanctlError: A file cannot be read or is broken, or two files have the same name.
    """
    registry = discovery.registry()
    if not files:
        return registry
    registry = registry.copy()
    for path in dict.fromkeys(map(Path, files)):
        if path.name in map(_name, registry.files):
            raise GanctlError(
                f"Two plugin files are named {path.name}.",
                "Rename one of them, because a plugin file is identified by its name.",
                status=USAGE,
            )
        plugin = load(path)
        print_warnings(plugin.warnings)
        for item in plugin.components:
            registry.add(item)
        registry.files[str(path)] = plugin.version
    return registry


def load(path: Path) -> discovery.Plugin:
    """Load the plugin in the file ``path``. The plugin's version is the start of the SHA-256 digest of the text.

    Raises:
        GanctlError: The file cannot be read, or the file or a hook raises an exception. The message contains the line.
    """
    try:
        source = read_regular(path)
    except OSError as error:
        raise GanctlError(
            f"Cannot read the plugin file {path}: {error.strerror}.",
            "Give a Python file with hooks, such as --plugin ./my_loss.py.",
            status=USAGE,
        ) from error
    digest = hashlib.sha256(source).hexdigest()[:12]
    name = f"{NAMESPACE}.{identifier(path.stem)}_{digest}"
    plugin = discovery.Plugin(path.stem, name, distribution_name(path.name), digest)
    module = ModuleType(name)
    module.__file__ = str(path.absolute())
    sys.modules[name] = module  # typing, dataclasses and pickle look up names in sys.modules
    try:
        exec(compile(source, str(path.absolute()), "exec"), vars(module))
        discovery.register(plugin, module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        kind = "" if isinstance(error, GanctlError) else f"{type(error).__name__}: "
        raise GanctlError(
            f"The plugin file {path} cannot be used: {kind}{error}{_line_of(error, path)}",
            "Fix the file. For an example, see docs/plugins.md. The option --debug, before the command, shows the "
            "traceback.",
        ) from error
    if plugin.commands:
        raise GanctlError(
            f"The plugin file {path} registers a command, which only an installed plugin can do.",
            "Remove register_commands, or create a package: "
            + ganctl_pattern("plugins", "new", "NAME", "--kind", "KIND"),
        )
    return plugin


def discover_with(path: Path) -> tuple[str, discovery.Plugins]:
    """Return the name of the plugin in the file ``path``, and all plugins including this plugin.

    Raises:
        GanctlError: The file cannot be read or is broken.
    """
    plugin, found = load(path), discovery.discover()
    for component in plugin.components:
        found.registry.add(component)
    found.all.append(plugin)
    return f"{plugin.distribution}:{plugin.name}", found


def check_recorded(registry: Registry, recorded: Mapping[str, str], *, exact: bool) -> list[str]:
    """Check that the plugin files recorded in a config or checkpoint are loaded and unchanged.

    Args:
        registry: registry into which the plugin files were loaded.
        recorded: digest of each file by path, as in the setting ``plugins``.
        exact: if True, raise an error if a file has changed.

    Returns:
        A warning for each file that has changed.

    Raises:
        GanctlError: A file is not loaded, or has changed and ``exact`` is True.
    """
    warnings = []
    loaded = {_name(path): digest for path, digest in registry.files.items()}
    for path, digest in recorded.items():
        if _name(path) not in loaded:
            raise GanctlError(
                f"This requires the plugin file {path}, which is loaded only if you specify it.",
                f"Loading the file runs its code. If you trust it, add: --plugin {quote(path)}  "
                f"(from Python: plugins=[{path!r}])",
                status=USAGE,
            )
        if loaded[_name(path)] == digest:
            continue
        changed = (
            f"the plugin file {_name(path)} has changed: its digest was {digest} and is {loaded[_name(path)]}"
        )
        if exact:
            raise GanctlError(
                f"A run cannot be resumed with different code, but {changed}.",
                "Restore the old file, or start a new run with the same settings: --config RUN/config.toml",
                status=CHECKPOINT,
            )
        warnings.append(changed)
    return warnings


def _name(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]


def distribution_name(path: str) -> str:
    """Return the name used in place of a distribution name for components in the file ``path``."""
    return FILE_SCHEME + re.sub(r"[^\w.+-]", "-", _name(path), flags=re.ASCII)


def _line_of(error: BaseException, path: Path) -> str:
    lines = [
        f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path.absolute())
    ]
    if isinstance(error, SyntaxError):
        return ""  # the message of a SyntaxError contains the line
    return f" (line {lines[-1]})" if lines else ""
