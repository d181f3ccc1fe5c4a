"""Build the components of a config: networks, loss, latent and optimizers."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from ganctl.config.settings import Config
from ganctl.errors import RESOURCES, USAGE, GanctlError
from ganctl.kernels import linear
from ganctl.latent import Latent
from ganctl.loss import Loss
from ganctl.plugin import options
from ganctl.plugin.registry import Registry
from ganctl.recipe import ImageShape, Spec
from ganctl.regularizer import Regularizer
from ganctl.system.environment_errors import environment_error
from ganctl.system.memory import free_memory, gib, is_out_of_memory
from ganctl.system.pasteable_commands import ganctl_command
from ganctl.training import optimizers

#: Base class of components → attribute that its __init__ makes.
MADE_BY_INIT: dict[type, str] = {
    nn.Module: "_parameters",
    torch.optim.Optimizer: "param_groups",
    Latent: "dim",
}


def resolve_options(registry: Registry, kind: str, spec: Spec) -> Spec:
    """Return ``spec`` with all options of the component, checked and converted to their types.

    Specs in a resolved config are complete. Those in a checkpoint, in a recipe or from a caller are not.

    Raises:
        GanctlError: The component does not exist, or an option is unknown, missing or of the wrong type.
    """
    factory = registry.get(kind, spec.name).load()
    return Spec(spec.name, **options.resolve(kind, spec.name, factory, spec.options))


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
    except GanctlError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise _too_large(kind, spec, filled_in, error) from error
        if (known := environment_error(error)) is not None:
            raise known from error
        raise GanctlError(
            f"The {kind} '{spec.name}' of {component.origin} could not be built: {error}",
            f"See its options: {ganctl_command('info', spec.name, plugins=registry.files)}",
        ) from error


def _too_large(kind: str, spec: Spec, filled_in: Mapping[str, Any], error: Exception) -> GanctlError:
    """Return the error for a component that does not fit into memory, with the numbers that its size depends on."""
    numbers = {name: value for name, value in spec.options.items() if type(value) in (int, tuple, list)}
    reduce = [f"-o {kind}.{name}={options.as_text(value)}" for name, value in numbers.items()]
    if isinstance(latent := filled_in.get("latent"), Latent):
        reduce.append(f"--z-dim {latent.dim}")
    if isinstance(image := filled_in.get("image"), ImageShape):
        reduce.append(f"--image-size {image.height}")
    free = free_memory()
    available = f" {gib(free)} of main memory are free." if free is not None else ""
    return GanctlError(
        f"Out of memory: the {kind} '{spec.name}' is too large.{available} ({' '.join(str(error).split())})",
        f"Reduce one of these: {', '.join(reduce)}" if reduce else "Free some memory.",
        status=RESOURCES,
    )


class Data(NamedTuple):
    """What components are told about the data.

    Attributes:
        image: shape of the images.
        num_classes: number of classes; 0 without labels.
        condition: shape of the condition of one image; None without conditions.
    """

    image: ImageShape
    num_classes: int = 0
    condition: Sequence[int] | None = None


def make_latent(registry: Registry, spec: Spec, image: ImageShape, root: str | Path = "data") -> Latent:
    filled_in = {"image": image, "root": Path(root)}
    return _build_instance(registry, "latent", spec, Latent, "ganctl.Latent", **filled_in)


def make_generator(registry: Registry, config: Config, data: Data) -> nn.Module:
    return _network(registry, "generator", config.generator, config, data)


def make_discriminator(registry: Registry, config: Config, data: Data) -> nn.Module:
    return _network(registry, "discriminator", config.discriminator, config, data)


def make_loss(registry: Registry, config: Config, data: Data) -> Loss:
    return _build_instance(
        registry, "loss", config.loss, Loss, "ganctl.Loss", **_for_losses(registry, config, data)
    )


def make_regularizers(registry: Registry, config: Config, data: Data) -> dict[str, Regularizer]:
    """Build the regularizers of ``config``, by name, in order.

    Raises:
        GanctlError: one of them is not a regularizer, has no term, or its ``every`` is below 1.
    """
    regularizers = {}
    filled_in = _for_losses(registry, config, data)
    for spec in config.regularizers:
        chosen = dict(resolve_options(registry, "regularizer", spec).options)
        every = chosen.pop("every")
        if every < 1:
            raise GanctlError(f"{spec.name}.every is {every}; it must be at least 1.", "Use 1.", status=USAGE)
        built: Regularizer = _build_instance(
            registry, "regularizer", Spec(spec.name, **chosen), Regularizer, "ganctl.Regularizer", **filled_in
        )
        if not (hasattr(built, "discriminator_term") or hasattr(built, "generator_term")):
            raise GanctlError(
                f"The regularizer '{spec.name}' of {registry.get('regularizer', spec.name).origin} has no term.",
                "Its class must define discriminator_term or generator_term. Report this to its authors.",
            )
        built.every = every
        regularizers[spec.name] = built
    return regularizers


def make_augmentation(registry: Registry, spec: Spec, data: Data) -> nn.Module:
    augment: nn.Module = _build_instance(
        registry, "augmentation", spec, nn.Module, "torch.nn.Module", image=data.image
    )
    return augment


def make_optimizer(
    registry: Registry, spec: Spec, network: nn.Module, device: torch.device
) -> torch.optim.Optimizer:
    """Build the optimizer of ``network`` with the fastest kernels on ``device``, unless its options choose others.

    A network may define ``parameter_groups()``, which returns a list of dicts with ``"params"``, options of the
    optimizer for these weights, and ``"lr_scale"``, a factor of the learning rate.
    """
    chosen = optimizers.settings_for(device, dict(spec.options))
    optimizer: torch.optim.Optimizer = _build_instance(
        registry,
        "optimizer",
        Spec(spec.name, **chosen),
        torch.optim.Optimizer,
        "torch.optim.Optimizer",
        params=_parameter_groups(network, spec),
    )
    return optimizer


def _parameter_groups(network: nn.Module, spec: Spec) -> list[Any]:
    make_groups = getattr(network, "parameter_groups", None)
    if make_groups is None:
        return list(network.parameters())
    groups = [{"lr_scale": 1.0, **group, "params": list(group["params"])} for group in make_groups()]
    ids = [id(weight) for group in groups for weight in group["params"]]
    if len(ids) != len(set(ids)) or set(ids) != {id(weight) for weight in network.parameters()}:
        raise GanctlError(
            f"parameter_groups() of {type(network).__name__} does not contain each weight exactly once.",
            "Put every weight of the network into exactly one group. Report this to its authors.",
        )
    lr = spec.options.get("lr")
    return [{**group, **({"lr": lr * group["lr_scale"]} if lr is not None else {})} for group in groups]


def is_conditional(registry: Registry, config: Config) -> bool:
    """Return whether G depends on labels, that is, whether its factory declares ``num_classes``."""
    factory = registry.get("generator", config.generator.name).load()
    return "num_classes" in inspect.signature(factory).parameters


def _for_losses(registry: Registry, config: Config, data: Data) -> dict[str, Any]:
    latent = make_latent(registry, config.latent, data.image, config.data_root)
    return {**data._asdict(), "latent": latent, "batch_size": config.batch_size}


def _network(registry: Registry, kind: str, spec: Spec, config: Config, data: Data) -> nn.Module:
    latent = make_latent(registry, config.latent, data.image, config.data_root)
    network: nn.Module = _build_instance(
        registry, kind, spec, nn.Module, "torch.nn.Module", **data._asdict(), latent=latent
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
    made_by_init = next((name for base, name in MADE_BY_INIT.items() if isinstance(built, base)), None)
    if made_by_init is not None and not hasattr(built, made_by_init):
        origin = registry.get(kind, spec.name).origin
        raise GanctlError(
            f"The {kind} '{spec.name}' of {origin} does not call super().__init__().",
            f"Call it first in the __init__ of {type(built).__name__}. Report this to its authors.",
        )
    return built
