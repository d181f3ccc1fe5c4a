"""Weights of terms, which can follow a schedule."""

from __future__ import annotations

import math

import torch

from ganctl import USAGE, GanctlError, Regularizer


def register_weights(regularizer: Regularizer, **weights: float) -> None:
    """Store each weight as a scalar float32 buffer of ``regularizer``, so that a schedule can change it.

    Raises:
        GanctlError: if a weight is negative or not finite; the message names it.
    """
    for name, value in weights.items():
        if not 0 <= value < math.inf:
            raise GanctlError(
                f"{name} is {value}: it must be at least 0 and finite.",
                f"Omit '{name}' to use the default.",
                status=USAGE,
            )
        regularizer.register_buffer(name, torch.tensor(value, dtype=torch.float32))
