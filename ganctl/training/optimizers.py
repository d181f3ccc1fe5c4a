"""Adapt optimizers to a device, and save their state independently of the device.

The kernel that computes an update, and whether the learning rate is a tensor, depend on the device. A checkpoint
contains plain numbers instead, so that a run can be resumed on another device.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

#: Settings of a parameter group that depend on the device. A checkpoint does not override them.
DEVICE_SETTINGS = ("fused", "foreach", "capturable")


def settings_for(device: torch.device, options: dict[str, Any]) -> dict[str, Any]:
    """Return ``options`` with the fastest kernels that torch has on ``device``, unless the user chose others."""
    chosen = dict(options)
    undecided = "fused" in chosen and chosen["fused"] is None and not chosen.get("foreach")
    if undecided and device.type in ("cpu", "cuda", "mps") and not chosen.get("differentiable"):
        chosen["fused"] = True
    if device.type == "cuda" and "capturable" in chosen:
        # Keeps the step count on the device. Set without a graph, too, because the last bits differ.
        chosen["capturable"] = True
        warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")
    return chosen


def put_lr_on(device: torch.device, optimizer: torch.optim.Optimizer) -> None:
    """Make the learning rate a tensor on ``device`` if the optimizer supports it, so that replays read its value."""
    for group in optimizer.param_groups:
        if group.get("capturable") or group.get("fused"):
            group["lr"] = torch.tensor(float(group["lr"]), dtype=torch.float32, device=device)


def state_dict(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return the optimizer's state with learning rates as numbers. Reads values: not for use in a step."""
    state = optimizer.state_dict()
    groups = [{name: _plain(value) for name, value in group.items()} for group in state["param_groups"]]
    return {**state, "param_groups": groups}


def take_a_step(optimizer: torch.optim.Optimizer) -> None:
    """Update all parameters of ``optimizer`` with a small gradient, so that its state has all of its parts."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.requires_grad:
                parameter.grad = torch.full_like(parameter, 1e-3)
    optimizer.step()


def load_state_dict(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load ``state``. Settings that depend on the device, and the tensors of learning rates, are kept."""
    current = [dict(group) for group in optimizer.param_groups]
    groups = []
    for saved, own in zip(state["param_groups"], current, strict=True):
        kept = {name: own[name] for name in DEVICE_SETTINGS if name in own and name in saved}
        groups.append({**own, **saved, **kept})
    parameters = [parameter for group in current for parameter in group["params"]]
    states = {
        index: {name: _copied(value, parameters[index]) for name, value in values.items()}
        for index, values in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": states, "param_groups": groups})
    for group, own in zip(optimizer.param_groups, current, strict=True):
        if isinstance(own["lr"], Tensor):
            group["lr"] = own["lr"].fill_(float(group["lr"]))


def _copied(value: Any, parameter: Tensor) -> Any:
    """Return a copy of ``value`` in memory of its own, in the layout of ``parameter`` if the shapes are equal.

    Fused kernels write to this memory as if its layout were that of the parameter. A tensor in a file may have another
    layout, for example a single element that is repeated.
    """
    if not isinstance(value, Tensor):
        return value
    if value.shape != parameter.shape:
        return value.clone(memory_format=torch.contiguous_format)
    return torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) and value.numel() == 1 else value
