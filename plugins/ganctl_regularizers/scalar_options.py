"""Weights and other scalar options of terms, which can follow a schedule."""

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
            raise out_of_range(name, value, "at least 0 and finite")
        regularizer.register_buffer(name, torch.tensor(value, dtype=torch.float32))


def register_shares(regularizer: Regularizer, **shares: float) -> None:
    """Store each share as a scalar float32 buffer of ``regularizer``, so that a schedule can change it.

    Raises:
        GanctlError: if a share is outside [0, 1]; the message names it.
    """
    for name, value in shares.items():
        if not 0 <= value <= 1:
            raise out_of_range(name, value, "in [0, 1]")
        regularizer.register_buffer(name, torch.tensor(value, dtype=torch.float32))


def out_of_range(name: str, value: float, allowed: str) -> GanctlError:
    """Return the error for an option whose value is not ``allowed``, as in "at least 0"."""
    return GanctlError(
        f"{name} is {value}: it must be {allowed}.", f"Omit '{name}' to use the default.", status=USAGE
    )
