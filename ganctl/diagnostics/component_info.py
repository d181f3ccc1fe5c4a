"""Describe a component: its documentation, options, defaults and number of parameters."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

from ganctl.config.settings import COMPONENTS, LISTS
from ganctl.errors import GanctlError
from ganctl.plugin import options
from ganctl.plugin.names import option_name
from ganctl.plugin.options import as_text
from ganctl.plugin.registry import Component, Registry
from ganctl.recipe import ImageShape, Model, Spec
from ganctl.system.pasteable_commands import quote

#: Image size for counting parameters if neither the user nor the model specifies an image size.
IMAGE_SIZE = 28
#: Part of a run for each kind of component, as in ``-o PART.OPTION=VALUE``.
PARTS = {kind: part for part, kind in COMPONENTS.items()} | {
    kind: kind for kind in ("optimizer", *LISTS.values())
}


def registration(component: Component) -> dict[str, Any]:
    """Return facts about a component without importing it, as ``ganctl list --json`` prints them."""
    facts = {
        "name": component.name,
        "kind": component.kind,
        "summary": component.summary,
        "distribution": component.distribution,
        "version": component.version,
        "plugin": component.plugin,
        "address": component.target if isinstance(component.target, str) else None,
    }
    if isinstance(component.target, Model):
        model = component.target
        facts |= {part: getattr(model, part).name for part in ("generator", "discriminator", "loss")}
    return facts


def describe(
    registry: Registry, component: Component, *, image_size: int | None, channels: int
) -> dict[str, Any]:
    """Return all facts about a component, as ``ganctl info --json`` prints them.

    Args:
        image_size: image size for counting parameters; None for the model's image size or ``IMAGE_SIZE``.
        channels: number of image channels for counting parameters.

    Returns:
        The facts of :func:`registration` and, depending on the kind, ``paper``, ``defaults``, ``part``,
        ``description``, ``options``, ``sampling_options``, ``image_shape`` and ``parameters``; or ``error`` if the
        component cannot be imported.
    """
    facts = registration(component)
    if isinstance(component.target, Model):
        facts |= {"paper": component.target.paper, "defaults": model_defaults(component.target)}
        image_size = image_size or component.target.image_size
    else:
        facts["part"] = PARTS[component.kind]
        try:
            facts |= {"description": description(component.load()), "options": _describe_options(component)}
        except GanctlError as error:
            return {**facts, "error": str(error)}
    image = ImageShape(channels, image_size or IMAGE_SIZE, image_size or IMAGE_SIZE)
    counts = parameters(registry, component, image)
    if component.kind == "generator":
        facts["sampling_options"] = _describe_sampling_options(registry, component, image)
    if counts:
        facts["image_shape"] = list(image)
        facts["parameters"] = {
            network: str(count) if isinstance(count, GanctlError) else count
            for network, count in counts.items()
        }
    return facts


def _describe_options(component: Component) -> list[dict[str, str | None]]:
    return [
        {
            "option": f"{_address(component)}.{option.name}",
            "type": option.type_name,
            "default": None if option.default is options.MISSING else as_text(option.default),
            "help": option.help,
        }
        for option in options.of(component.kind, component.load())
    ]


def _describe_sampling_options(
    registry: Registry, component: Component, image: ImageShape
) -> list[dict[str, str]]:
    """Return the options that ``ganctl sample`` passes to a generator. The list is empty if it cannot be built."""
    spec = Spec(f"{component.distribution}:{component.name}")
    network = _build_network(registry, "generator", spec, None, image)
    if isinstance(network, GanctlError):
        return []
    return [
        {"option": o.name, "type": o.type_name, "default": as_text(o.default), "help": o.help}
        for o in options.of_sampling(network.forward)
    ]


def _address(component: Component) -> str:
    """Return the text before the names of the options of ``component`` in ``-o``."""
    if component.kind == "regularizer":
        return component.name
    part = PARTS[component.kind]
    return f"{part}.{component.name}" if component.kind in LISTS.values() else part


def description(factory: Callable[..., Any]) -> str:
    """Return the docstring of ``factory`` up to its first section, without markup and with one line per paragraph."""
    text = inspect.cleandoc(getattr(factory, "func", factory).__doc__ or "")
    text = re.split(r"^(?:\.\. .*|[A-Z]\w+:)$", text, maxsplit=1, flags=re.MULTILINE)[0]
    text = re.sub(r":\w+:`~?([^`]+)`", r"\1", text).replace("``", "")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text.strip()))


def parameters(
    registry: Registry, component: Component, image: ImageShape
) -> dict[str, int | GanctlError | None]:
    """Count the trainable parameters of a network, or of both networks of a model, built for ``image``.

    Returns:
        The number of parameters of each network, or the error if the network cannot be built. The result is empty for
        other kinds of components.
    """
    if isinstance(component.target, Model):
        model = component.target
        return {
            "generator": _count_parameters(registry, "generator", model.generator, model.latent, image),
            "discriminator": _count_parameters(
                registry, "discriminator", model.discriminator, model.latent, image
            ),
        }
    if component.kind not in ("generator", "discriminator"):
        return {}
    spec = Spec(f"{component.distribution}:{component.name}")
    return {component.kind: _count_parameters(registry, component.kind, spec, None, image)}


def _count_parameters(
    registry: Registry, kind: str, spec: Spec, latent: Spec | None, image: ImageShape
) -> int | GanctlError:
    network = _build_network(registry, kind, spec, latent, image)
    if isinstance(network, GanctlError):
        return network
    return sum(parameter.numel() for parameter in network.parameters())


def _build_network(registry: Registry, kind: str, spec: Spec, latent: Spec | None, image: ImageShape) -> Any:
    """Return a network without allocated weights, or the error if the network cannot be built."""
    import torch

    from ganctl.latent import Latent, Normal
    from ganctl.training import components

    error = GanctlError("")
    try:
        spec = components.resolve_options(registry, kind, spec)
        z: Latent = Normal()
        if latent is not None:
            z = components.make_latent(
                registry, components.resolve_options(registry, "latent", latent), image
            )
    except GanctlError as raised:
        return raised
    reserved = {"image": image, "latent": z, "num_classes": 0, "condition": None}
    # Building on the meta device is free. A network that computes values in its constructor must be built on the CPU.
    for device in ("meta", "cpu"):
        try:
            with torch.device(device):
                return components.build(registry, kind, spec, **reserved)
        except GanctlError as raised:
            error = raised
    return error


def model_defaults(model: Model) -> list[str]:
    """Return the settings of ``model`` as options of ``ganctl train``, one line per part or setting."""
    lines = [_option_text(part, getattr(model, part)) for part in ("generator", "discriminator", "loss")]
    if model.g_optimizer == model.d_optimizer:
        lines.append(_option_text("optimizer", model.g_optimizer, {"lr": "lr"}))
    else:
        lines.append(_option_text("g_optimizer", model.g_optimizer, {"lr": "g-lr"}))
        lines.append(_option_text("d_optimizer", model.d_optimizer, {"lr": "d-lr"}))
    lines.append(_option_text("latent", model.latent, {"z_dim": "z-dim"}))
    for spec in model.regularizers:
        options_of = [f"-o {spec.name}.{name}={as_text(value)}" for name, value in spec.options.items()]
        lines.append(" ".join([f"--regularizer {spec.name}", *options_of]))
    if model.augment is not None:
        lines.append(_option_text("augment", model.augment))
    lines += [f"-o {quote(f'schedules.{name}={text}')}" for name, text in model.schedules.items()]
    for setting in ("batch_size", "n_critic", "n_generator", "ema", "ema_rampup", "image_size"):
        if setting == "n_generator" and model.n_generator == 1:
            continue
        lines.append(f"--{option_name(setting)} {as_text(getattr(model, setting))}")
    return lines


def _option_text(part: str, spec: Spec, shorthands: dict[str, str] | None = None) -> str:
    words = [f"--{option_name(part)} {spec.name}"]
    for name, value in spec.options.items():
        if shorthands and name in shorthands:
            words.append(f"--{shorthands[name]} {as_text(value)}")
        else:
            words.append(f"-o {part}.{name}={as_text(value)}")
    return " ".join(words)
