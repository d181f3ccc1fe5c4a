"""Refuse components that do not keep to their contract, before training: signatures, and what augmentations return."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ganctl.config.settings import Config
from ganctl.dataset import Images
from ganctl.errors import GanctlError
from ganctl.loss import Loss
from ganctl.plugin.registry import Registry
from ganctl.plugin.signatures import requested
from ganctl.regularizer import Regularizer
from ganctl.training.devices import preserve_rng

TERMS = ("discriminator_term", "generator_term")


def check_signatures(
    registry: Registry, config: Config, loss: Loss, regularizers: Mapping[str, Regularizer], D: nn.Module
) -> None:
    """Raise a GanctlError if a method of the loss, of a regularizer or of D cannot be called as the engine calls it."""

    def check(kind: str, name: str, function: Callable[..., Any], *parameters: str, **available: Any) -> None:
        signature = inspect.signature(function)
        try:
            signature.bind(*parameters, **requested(function, **available))
        except TypeError as error:
            method = getattr(function, "__name__", "forward")
            optional = "".join(f", {name}" for name in available)
            raise GanctlError(
                f"The {kind} '{name}' of {registry.get(kind, name).origin} defines {method}{signature}: {error}.",
                f"Its parameters must be ({', '.join(parameters)})"
                + (f", and may include{optional[1:]} by name." if available else "."),
            ) from error

    check("discriminator", config.discriminator.name, D.forward, "x", "y", c=None)
    for method in ("discriminator_loss", "generator_loss"):
        check("loss", config.loss.name, getattr(loss, method), "D", "real", "fake", G=None)
    check("loss", config.loss.name, loss.constrain, "D", G=None)
    for name, regularizer in regularizers.items():
        for method in TERMS:
            if hasattr(regularizer, method):
                check("regularizer", name, getattr(regularizer, method), "D", "real", "fake", G=None)


def check_augmentation(registry: Registry, config: Config, augment: nn.Module, images: Images) -> None:
    """Augment two images with a copy of ``augment``.

    Raises:
        GanctlError: the augmentation raised an exception, or changed the shape or dtype.
    """
    assert config.augment is not None
    origin = registry.get("augmentation", config.augment.name).origin
    augmentation = f"The augmentation '{config.augment.name}' of {origin}"
    x = torch.zeros(2, *images.shape)
    try:
        with preserve_rng(torch.device("cpu")), torch.no_grad():
            augmented = copy.deepcopy(augment)(x)
    except (GanctlError, MemoryError):
        raise
    except Exception as error:
        raise GanctlError(
            f"{augmentation} cannot augment two images of {images.shape}: {type(error).__name__}: {error}",
            "Report this to its authors.",
        ) from error
    if not isinstance(augmented, Tensor) or (augmented.shape, augmented.dtype) != (x.shape, x.dtype):
        output = (
            f"{str(augmented.dtype).removeprefix('torch.')} {tuple(augmented.shape)}"
            if isinstance(augmented, Tensor)
            else type(augmented).__name__
        )
        raise GanctlError(
            f"{augmentation} returned {output} for two images, float32 {tuple(x.shape)}.",
            "A(x) must keep the shape and dtype of x. Report this to its authors.",
        )
