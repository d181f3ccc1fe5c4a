"""Helpers for tests of networks."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ganctl import ImageShape
from ganctl.latent import Latent, Normal
from ganctl.plugin import discovery, options


def make(
    kind: str,
    name: str,
    image: ImageShape,
    given: dict[str, Any] | None = None,
    *,
    num_classes: int = 10,
    latent: Latent | None = None,
) -> nn.Module:
    """Build a registered network in the same way as ``ganctl train``."""
    factory = discovery.registry().get(kind, name).load()
    resolved = options.resolve(kind, name, factory, given or {})
    return options.call(factory, resolved, image=image, latent=latent or Normal(12), num_classes=num_classes)


def parameters(network: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(p.numel() for p in network.parameters())


def layer_types(network: nn.Module) -> list[str]:
    """Return the class names of all modules without children, in order."""
    return [type(module).__name__ for module in network.modules() if not list(module.children())]


def images(n: int, image: ImageShape) -> torch.Tensor:
    """Return random images in [−1, 1], float N×C×H×W."""
    return torch.rand(n, *image) * 2 - 1
