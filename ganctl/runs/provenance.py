"""Provenance: the distribution and version of each component of a run, and whether they are installed."""

from __future__ import annotations

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

    If several plugins register a name today, the component of the distribution that made the checkpoint is chosen.
    """
    config = Config.from_dict(state["config"])
    parts: dict[str, Any] = {}
    for name, kind in COMPONENTS.items():
        if name in state["components"]:
            parts[name] = own_component(
                registry, state["components"][name]["distribution"], kind, getattr(config, name)
            )
    return replace(config, **parts)


def check_origin(registry: Registry, state: dict[str, Any], setting: str) -> list[str]:
    """Check that the component of ``setting`` is installed, and return warnings about changed plugin files.

    Raises:
        GanctlError: the component is not installed. The hint shows the command that installs it.
    """
    component = state["components"].get(setting)
    if component is None:  # an old checkpoint, whose latent is one of ganctl's own
        return []
    kind = COMPONENTS.get(setting, setting)  # "model" is its own kind
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
                f"Restore the text of {file} with the digest {version}.",
                status=CHECKPOINT,
            )
        raise GanctlError(
            f"The checkpoint needs the {kind} '{name}' of {distribution} {version}, which is not installed.",
            f"Install it: pip install '{distribution}=={version}'",
            status=CHECKPOINT,
        )
    return warnings


def origins(registry: Registry, config: Config) -> dict[str, dict[str, str]]:
    """Return name, distribution and version of each component of ``config``, by setting."""
    found = {}
    for name, kind in {"model": "model", **COMPONENTS}.items():
        value = getattr(config, name)
        if value is not None:
            component = registry.get(kind, value.name if isinstance(value, Spec) else value)
            found[name] = {
                "name": component.name,
                "distribution": component.distribution,
                "version": component.version,
            }
    return found
