"""Normalization for the discriminators: of activations and of weights."""

from __future__ import annotations

from typing import Literal

from torch import nn
from torch.nn.utils import parametrizations

Norm = Literal["batch", "layer", "instance", "none"]


def normalization(norm: Norm, channels: int, eps: float = 1e-5) -> list[nn.Module]:
    """Return the layer called ``norm`` for N×``channels``×H×W, with a learned scale and shift, or no layer."""
    if norm == "batch":
        return [nn.BatchNorm2d(channels, eps=eps)]
    if norm == "layer":
        return [nn.GroupNorm(1, channels, eps=eps)]
    if norm == "instance":
        return [nn.InstanceNorm2d(channels, eps=eps, affine=True)]
    return []


def add_spectral_norm(module: nn.Module) -> None:
    """Divide the weights of a convolution or linear layer by their largest singular value."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        parametrizations.spectral_norm(module)
