"""Which distribution and version each component of a run came from, and whether it is installed now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganctl.config.resolve import own_component
from ganctl.config.settings import COMPONENTS, Config
from ganctl.errors import CHECKPOINT, GanctlError
from ganctl.plugin import single_file
from ganctl.plugin.registry import Registry
from ganctl.recipe import Spec

if TYPE_CHECKING:
    pass


def config_of(registry: Registry, state: dict[str, Any]) -> Config:
    """The settings in a checkpoint. What others call the same by now is told apart by where it came from then."""
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
    if component is None:  # a latent in a checkpoint of before they were registered: one of ganctl's own
        return []
    kind = COMPONENTS.get(setting, setting)  # a model is one
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
        raise GanctlError(
            f"The checkpoint needs the {kind} '{name}' of {distribution} {version}, which is not installed.",
            f"Install it: pip install '{distribution}=={version}'  (see: ganctl plugins)",
            status=CHECKPOINT,
        )
    return warnings


def origins(registry: Registry, config: Config) -> dict[str, dict[str, str]]:
    """Which distribution and version each component of ``config`` comes from."""
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
