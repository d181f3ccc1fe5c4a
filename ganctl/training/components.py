"""Build the components of a config: networks, loss, latent and optimizers."""

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
from ganctl.system.environment_errors import environment_error
from ganctl.system.pasteable_commands import ganctl_command
from ganctl.training import optimizers


def resolve_options(registry: Registry, kind: str, spec: Spec) -> Spec:
    """Return ``spec`` with all options of the component, checked and converted to their types.

    Specs in a resolved config are complete. Those in a checkpoint, in a recipe or from a caller are not.

    Raises:
        GanctlError: The component does not exist, or an option is unknown, missing or of the wrong type.
    """
    factory = registry.get(kind, spec.name).load()
    return Spec(spec.name, **options.resolve(f"{kind} '{spec.name}'", factory, spec.options))


def build(registry: Registry, kind: str, spec: Spec, **filled_in: Any) -> Any:
    """Call the factory of one component.

    Args:
        spec: the component's name and resolved options.
        filled_in: arguments that ganctl provides; those that the factory does not declare are ignored.

    Raises:
        GanctlError: The factory failed. The message names the component and its distribution, unless the factory
            raised a GanctlError of its own.
    """
    component = registry.get(kind, spec.name)
    factory = component.load()
    try:
        return options.call(factory, spec.options, **filled_in)
    except (GanctlError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        if (known := environment_error(error)) is not None:
            raise known from error
        raise GanctlError(
            f"The {kind} '{spec.name}' of {component.origin} could not be built: {error}",
            f"See its options: {ganctl_command('info', spec.name, plugins=registry.files)}",
        ) from error


def make_latent(registry: Registry, spec: Spec) -> Latent:
    return _build_instance(registry, "latent", spec, Latent, "ganctl.Latent")


def make_generator(registry: Registry, config: Config, image: ImageShape, num_classes: int) -> nn.Module:
    return _network(registry, "generator", config.generator, config.latent, image, num_classes)


def make_discriminator(registry: Registry, config: Config, image: ImageShape, num_classes: int) -> nn.Module:
    return _network(registry, "discriminator", config.discriminator, config.latent, image, num_classes)


def make_loss(registry: Registry, config: Config, num_classes: int) -> Loss:
    latent = make_latent(registry, config.latent)
    return _build_instance(
        registry, "loss", config.loss, Loss, "ganctl.Loss", num_classes=num_classes, latent=latent
    )


def make_optimizer(
    registry: Registry, spec: Spec, parameters: Iterable[nn.Parameter], device: torch.device
) -> torch.optim.Optimizer:
    """Build the optimizer with the fastest kernels on ``device``, unless its options choose others."""
    chosen = optimizers.settings_for(device, dict(spec.options))
    optimizer: torch.optim.Optimizer = _build_instance(
        registry,
        "optimizer",
        Spec(spec.name, **chosen),
        torch.optim.Optimizer,
        "torch.optim.Optimizer",
        params=list(parameters),
    )
    return optimizer


def is_conditional(registry: Registry, config: Config) -> bool:
    """Return whether G depends on labels, that is, whether its factory declares ``num_classes``."""
    factory = registry.get("generator", config.generator.name).load()
    return "num_classes" in inspect.signature(factory).parameters


def _network(
    registry: Registry, kind: str, spec: Spec, latent: Spec, image: ImageShape, num_classes: int
) -> nn.Module:
    network: nn.Module = _build_instance(
        registry,
        kind,
        spec,
        nn.Module,
        "torch.nn.Module",
        image=image,
        latent=make_latent(registry, latent),
        num_classes=num_classes,
    )
    linear.use_fastest_kernels(network)
    return network


def _build_instance(
    registry: Registry, kind: str, spec: Spec, expected: type[Any], expected_name: str, **filled_in: Any
) -> Any:
    """Build the component and check that it is an instance of ``expected``."""
    built = build(registry, kind, spec, **filled_in)
    if not isinstance(built, expected):
        origin = registry.get(kind, spec.name).origin
        raise GanctlError(
            f"The {kind} '{spec.name}' of {origin} is a {type(built).__name__}, not a {expected_name}.",
            f"Its factory must return a {expected_name}. Report this to its authors.",
        )
    return built
