"""All that can be told about a component: its documentation, options and number of parameters."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Callable
from typing import Any

from ganctl.config.settings import COMPONENTS
from ganctl.errors import GanctlError
from ganctl.plugin import options
from ganctl.plugin.names import option_name
from ganctl.plugin.registry import Component, Registry
from ganctl.recipe import ImageShape, Model, Spec

#: Kind of component → the part of a run that it is, as in ``-o PART.OPTION=VALUE``.
PARTS = {kind: part for part, kind in COMPONENTS.items()} | {
    kind: kind for kind in ("optimizer", "tracker", "metric")
}


def description(factory: Callable[..., Any]) -> str:
    """The docstring of ``factory`` up to its first section, without markup; paragraphs are one line each."""
    text = inspect.cleandoc(getattr(factory, "func", factory).__doc__ or "")
    text = re.split(r"^(?:\.\. .*|[A-Z]\w+:)$", text, maxsplit=1, flags=re.MULTILINE)[0]
    text = re.sub(r":\w+:`~?([^`]+)`", r"\1", text).replace("``", "")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text.strip()))


def parameters(
    registry: Registry, component: Component, image: ImageShape
) -> dict[str, int | GanctlError | None]:
    """Trainable parameters of a network, or of a model's two, built for ``image``; or why it cannot be built.

    Other kinds of component have none.
    """
    if isinstance(component.target, Model):
        model = component.target
        return {
            "generator": _count(registry, "generator", model.generator, model.latent, image),
            "discriminator": _count(registry, "discriminator", model.discriminator, model.latent, image),
        }
    if component.kind not in ("generator", "discriminator"):
        return {}
    spec = Spec(f"{component.distribution}:{component.name}")
    return {component.kind: _count(registry, component.kind, spec, None, image)}


def _count(
    registry: Registry, kind: str, spec: Spec, latent: Spec | None, image: ImageShape
) -> int | GanctlError:
    import torch

    from ganctl.latent import Normal
    from ganctl.training import components

    error = GanctlError("")
    try:
        z = Normal() if latent is None else components.make_latent(registry, latent)
    except GanctlError as raised:
        return raised
    filled_in = {"image": image, "latent": z, "num_classes": 0}
    # The meta device costs neither memory nor time, but a network that computes while it is built needs the other.
    for device in ("meta", "cpu"):
        try:
            with torch.device(device):
                network = components.build(registry, kind, spec, **filled_in)
            return sum(parameter.numel() for parameter in network.parameters())
        except GanctlError as raised:
            error = raised
    return error


def model_defaults(model: Model) -> list[str]:
    """What ``model`` sets, as options of ``ganctl train``, a line each; together they repeat the model."""
    lines = [_options(part, getattr(model, part)) for part in ("generator", "discriminator", "loss")]
    if model.g_optimizer == model.d_optimizer:
        lines.append(_options("optimizer", model.g_optimizer, {"lr": "lr"}))
    else:
        lines.append(_options("g_optimizer", model.g_optimizer, {"lr": "g-lr"}))
        lines.append(_options("d_optimizer", model.d_optimizer, {"lr": "d-lr"}))
    lines.append(_options("latent", model.latent, {"z_dim": "z-dim"}))
    if model.augment is not None:
        lines.append(_options("augment", model.augment))
    lines += [f"-o {shlex.quote(f'schedules.{name}={text}')}" for name, text in model.schedules.items()]
    for setting in ("batch_size", "n_critic", "ema", "image_size"):
        lines.append(f"--{option_name(setting)} {as_text(getattr(model, setting))}")
    return lines


def _options(part: str, spec: Spec, shorthands: dict[str, str] | None = None) -> str:
    words = [f"--{option_name(part)} {spec.name}"]
    for name, value in spec.options.items():
        if shorthands and name in shorthands:
            words.append(f"--{shorthands[name]} {as_text(value)}")
        else:
            words.append(f"-o {part}.{name}={as_text(value)}")
    return " ".join(words)


def as_text(value: Any) -> str:
    """``value`` as a command line gives it."""
    if isinstance(value, (tuple, list)):
        return ",".join(map(as_text, value))
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return str(value)


def component_options(component: Component) -> list[options.Option]:
    """The options of a component that is no model."""
    return options.of(component.load())
