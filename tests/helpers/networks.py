"""What the tests of networks share."""

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
    """The registered network, as ``ganctl train`` would build it."""
    factory = discovery.registry().get(kind, name).load()
    resolved = options.resolve(f"{kind} '{name}'", factory, given or {})
    return options.call(factory, resolved, image=image, latent=latent or Normal(12), num_classes=num_classes)


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def images(n: int, image: ImageShape) -> torch.Tensor:
    return torch.rand(n, *image) * 2 - 1
