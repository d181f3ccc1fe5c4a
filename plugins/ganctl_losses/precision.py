"""The precision that losses are computed in."""

from __future__ import annotations

import torch
from torch import Tensor


def full(logits: Tensor) -> Tensor:
    """``logits`` in float32 at least: bfloat16 keeps 8 bits, too few for the mean over a batch."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
