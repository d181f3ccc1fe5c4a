"""Record the distribution and version of each component of a run, and check that they are installed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ganctl.config.resolve import own_component
from ganctl.config.settings import COMPONENTS, Config
from ganctl.errors import CHECKPOINT, GanctlError
from ganctl.plugin import single_file
from ganctl.plugin.names import plugin_file
from ganctl.plugin.registry import Registry
from ganctl.recipe import Spec


def config_of(registry: Registry, state: dict[str, Any]) -> Config:
    """Return the settings in the checkpoint ``state``.

    If several installed plugins register the same name, the component from the checkpoint's distribution is used.
    """
    config = Config.from_dict(state["config"])
    parts: dict[str, Any] = {}
    for name, kind in COMPONENTS.items():
        if name in state["components"]:
            parts[name] = own_component(
                registry, state["components"][name]["distribution"], kind, getattr(config, name)
            )
    parts["regularizers"] = tuple(
        own_component(registry, origin["distribution"], "regularizer", spec) if origin else spec
        for spec in config.regularizers
        for origin in [state["components"].get(f"regularizer.{spec.name.rpartition(':')[2]}")]
    )
    return replace(config, **parts)


def recorded_components(state: dict[str, Any]) -> list[str]:
    """Return the names to pass to :func:`check_origin` for all components needed to resume a run."""
    return ["model", *COMPONENTS, *(name for name in state["components"] if name.startswith("regularizer."))]


def check_origin(registry: Registry, state: dict[str, Any], setting: str) -> list[str]:
    """Check that the component for ``setting`` is installed, and return warnings about changed plugin files.

    Raises:
        GanctlError: the component is not installed. The hint contains the command for installing it.
    """
    component = state["components"].get(setting)
    if component is None:  # an old checkpoint, whose latent is built in
        return []
    if setting.startswith("regularizer."):
        kind, named = "regularizer", component["name"]
    else:
        kind = COMPONENTS.get(setting, setting)  # the kind of "model" is "model"
        named = state["config"][setting]
    recorded = state["config"].get("plugins", {})
    used = {
        p: digest
        for p, digest in recorded.items()
        if single_file.distribution_name(p) == component["distribution"]
    }
    warnings = single_file.check_recorded(registry, used, exact=False)
    if not registry.find(kind, named if isinstance(named, str) else named["name"]):
        name, distribution, version = component["name"], component["distribution"], component["version"]
        if file := plugin_file(distribution):
            raise GanctlError(
                f"The checkpoint needs the {kind} '{name}' of {file}, but this file does not register it.",
                f"Restore the version of {file} with the digest {version}.",
                status=CHECKPOINT,
            )
        raise GanctlError(
            f"The checkpoint needs the {kind} '{name}' of {distribution} {version}, which is not installed.",
            f"Install it: pip install '{distribution}=={version}'",
            status=CHECKPOINT,
        )
    return warnings


def version_changes(registry: Registry, state: dict[str, Any], settings: Iterable[str]) -> list[str]:
    """Return one line per distribution whose installed version differs from the version in the checkpoint ``state``.

    Plugin files, whose text is compared, and ganctl itself, which reads its own earlier checkpoints, are left out.
    """
    lines = []
    for setting in settings:
        recorded = state["components"].get(setting)
        if recorded is None or recorded["distribution"] == "ganctl" or plugin_file(recorded["distribution"]):
            continue
        kind = (
            setting.partition(".")[0]
            if setting.startswith("regularizer.")
            else COMPONENTS.get(setting, setting)
        )
        for component in registry.find(kind, f"{recorded['distribution']}:{recorded['name']}"):
            if component.version != recorded["version"]:
                lines.append(
                    f"the checkpoint was written with {recorded['distribution']} {recorded['version']}, and "
                    f"{component.version} is installed"
                )
    return list(dict.fromkeys(lines))


def origins(registry: Registry, config: Config) -> dict[str, dict[str, str]]:
    """Return the name, distribution and version of each component in ``config``, keyed by setting.

    The keys for regularizers are ``regularizer.NAME``.
    """
    components = {}
    for setting, kind in {"model": "model", **COMPONENTS}.items():
        value = getattr(config, setting)
        if value is not None:
            components[setting] = registry.get(kind, value.name if isinstance(value, Spec) else value)
    for spec in config.regularizers:
        component = registry.get("regularizer", spec.name)
        components[f"regularizer.{component.name}"] = component
    return {
        setting: {"name": c.name, "distribution": c.distribution, "version": c.version}
        for setting, c in components.items()
    }
