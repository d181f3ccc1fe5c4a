"""The minimum precision of losses."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(logits: Tensor) -> Tensor:
    """Return ``logits`` with at least float32 precision. The 8 bits of bfloat16 are too few for a mean over a batch."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
