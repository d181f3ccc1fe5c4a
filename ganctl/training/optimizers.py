"""What a device wants of an optimizer, and the optimizer's state without it.

Which kernel computes an update, and whether its learning rate is a tensor, is the machine's business: a checkpoint
holds plain numbers and can be gone on with on another device.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

#: Settings of a parameter group that belong to the device: those of the running optimizer hold, not a checkpoint's.
OF_THE_DEVICE = ("fused", "foreach", "capturable")


def settings_for(device: torch.device, options: dict[str, Any]) -> dict[str, Any]:
    """``options`` with what is best on ``device`` where torch has it and the user did not say otherwise."""
    chosen = dict(options)
    undecided = "fused" in chosen and chosen["fused"] is None and not chosen.get("foreach")
    if undecided and device.type in ("cpu", "cuda", "mps") and not chosen.get("differentiable"):
        chosen["fused"] = True
    if device.type == "cuda" and "capturable" in chosen:
        # Its step count is then on the device. Without a graph too: the arithmetic differs in the last bits.
        chosen["capturable"] = True
        warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")  # we know
    return chosen


def put_lr_on(device: torch.device, optimizer: torch.optim.Optimizer) -> None:
    """Make the learning rate a tensor on ``device`` where the optimizer reads it from one: a replay reads it anew."""
    for group in optimizer.param_groups:
        if group.get("capturable") or group.get("fused"):
            group["lr"] = torch.tensor(float(group["lr"]), dtype=torch.float32, device=device)


def state_dict(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The optimizer's own, with learning rates as numbers. Reads from the device: not within a step."""
    state = optimizer.state_dict()
    groups = [{name: _plain(value) for name, value in group.items()} for group in state["param_groups"]]
    return {**state, "param_groups": groups}


def load_state_dict(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Restore ``state``, leaving what belongs to the device, and learning rates where they are."""
    live = [dict(group) for group in optimizer.param_groups]
    groups = []
    for saved, mine in zip(state["param_groups"], live, strict=True):
        kept = {name: mine[name] for name in OF_THE_DEVICE if name in mine and name in saved}
        groups.append({**saved, **kept})
    optimizer.load_state_dict({**state, "param_groups": groups})
    for group, mine in zip(optimizer.param_groups, live, strict=True):
        if isinstance(mine["lr"], Tensor):
            group["lr"] = mine["lr"].fill_(float(group["lr"]))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) and value.numel() == 1 else value
