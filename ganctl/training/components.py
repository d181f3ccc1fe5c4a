"""From a config to networks, loss and optimizers, with errors that name whose component failed."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from ganctl.config.settings import Config
from ganctl.errors import GanctlError
from ganctl.kernels import linear
from ganctl.latent import Latent
from ganctl.loss import Loss
from ganctl.plugin import options
from ganctl.plugin.registry import Registry
from ganctl.recipe import ImageShape, Spec
from ganctl.training import optimizers


def build(registry: Registry, kind: str, spec: Spec, **filled_in: Any) -> Any:
    """One component.

    Raises:
        GanctlError: its own, or one that names the component and its distribution when it fails otherwise.
    """
    component = registry.get(kind, spec.name)
    factory = component.load()
    resolved = options.resolve(f"{kind} '{spec.name}'", factory, spec.options)
    try:
        return options.call(factory, resolved, **filled_in)
    except (GanctlError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise GanctlError(
            f"The {kind} '{spec.name}' of {component.origin} could not be built: {error}",
            f"Its options: ganctl info {spec.name}",
        ) from error


def make_latent(registry: Registry, spec: Spec) -> Latent:
    return _checked(registry, "latent", spec, Latent, "ganctl.Latent")


def make_generator(registry: Registry, config: Config, image: ImageShape, num_classes: int) -> nn.Module:
    return _network(
        registry,
        "generator",
        config.generator,
        image=image,
        latent=make_latent(registry, config.latent),
        num_classes=num_classes,
    )


def is_conditional(registry: Registry, config: Config) -> bool:
    """Whether G draws what the labels say: its factory then asks for the number of classes."""
    factory = registry.get("generator", config.generator.name).load()
    return "num_classes" in inspect.signature(factory).parameters


def make_discriminator(registry: Registry, config: Config, image: ImageShape, num_classes: int) -> nn.Module:
    return _network(
        registry,
        "discriminator",
        config.discriminator,
        image=image,
        latent=make_latent(registry, config.latent),
        num_classes=num_classes,
    )


def make_loss(registry: Registry, config: Config, num_classes: int) -> Loss:
    latent = make_latent(registry, config.latent)
    return _checked(
        registry, "loss", config.loss, Loss, "ganctl.Loss", num_classes=num_classes, latent=latent
    )


def _network(registry: Registry, kind: str, spec: Spec, **filled_in: Any) -> nn.Module:
    network: nn.Module = _checked(registry, kind, spec, nn.Module, "torch.nn.Module", **filled_in)
    linear.quicken(network)
    return network


def _checked(
    registry: Registry, kind: str, spec: Spec, wanted: type[Any], wanted_name: str, **filled_in: Any
) -> Any:
    """The component, which must be a ``wanted``."""
    made = build(registry, kind, spec, **filled_in)
    if not isinstance(made, wanted):
        origin = registry.get(kind, spec.name).origin
        raise GanctlError(
            f"The {kind} '{spec.name}' of {origin} is a {type(made).__name__}, not a {wanted_name}.",
            "Its factory must return one; tell its authors.",
        )
    return made


def make_optimizer(
    registry: Registry, spec: Spec, parameters: Iterable[nn.Parameter], device: torch.device
) -> torch.optim.Optimizer:
    """The optimizer, set up as is best for ``device`` where the user did not say otherwise."""
    chosen = optimizers.settings_for(device, dict(spec.options))
    optimizer: torch.optim.Optimizer = _checked(
        registry,
        "optimizer",
        Spec(spec.name, **chosen),
        torch.optim.Optimizer,
        "torch.optim.Optimizer",
        params=list(parameters),
    )
    return optimizer
