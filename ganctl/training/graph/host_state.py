"""What Python remembers between steps, which no replay of a graph would change."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ganctl.training.engine import Engine


def host_state(engine: Engine) -> dict[str, Any]:
    """What Python remembers from step to step, and where its tensors lie: what no replay would change."""
    state: dict[str, Any] = {"Python's random numbers": hash(random.getstate())}
    if numpy := sys.modules.get("numpy"):
        state["numpy's random numbers"] = str(numpy.random.get_state(legacy=False))
    if engine.device.type != "cpu":
        state["torch's random numbers on the CPU"] = bytes(torch.get_rng_state().numpy())
    for name in ("G", "D", "G_ema", "loss", "augment", "latent"):
        part = getattr(engine, name)
        modules = part.named_modules() if isinstance(part, nn.Module) else [("", part)]
        for path, module in modules:
            for key, value in _remembered(module):
                state[".".join(filter(None, (name, path, key)))] = value
    for name in ("g_optimizer", "d_optimizer"):
        optimizer = getattr(engine, name)
        for key, value in vars(optimizer).items():
            if isinstance(value, bool | int | float):
                state[f"{name}.{key}"] = value
        for number, group in enumerate(optimizer.param_groups):
            for key, value in group.items():
                if key != "params":
                    state[f"{name}'s {key} of group {number}"] = _identity(value)
        for number, memory in enumerate(optimizer.state.values()):
            for key, value in memory.items():
                state[f"{name}'s {key} of weight {number}"] = _identity(value)
    return state


def _remembered(module: object) -> Iterator[tuple[str, Any]]:
    attributes = dict(vars(module)) if hasattr(module, "__dict__") else {}
    if isinstance(module, nn.Module):
        for table in ("_parameters", "_buffers"):
            attributes.update(attributes.pop(table))
        attributes.pop("_modules")
    for key, value in attributes.items():
        yield key, _identity(value)


def _identity(value: Any) -> Any:
    """What tells whether ``value`` was changed by Python: where a tensor lies, what anything plain is."""
    if isinstance(value, Tensor):
        return "tensor at", value.data_ptr(), tuple(value.shape)
    if isinstance(value, list | tuple):
        return [_identity(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _identity(item) for key, item in value.items()}
    return value if isinstance(value, bool | int | float | str | None) else type(value).__name__


def difference(before: dict[str, Any], after: dict[str, Any]) -> str | None:
    for name, value in after.items():
        if name not in before or before[name] != value:
            if name.endswith(("random numbers", "on the CPU")):
                return f"a step draws {name}"
            tensor = isinstance(value, tuple) and value[:1] == ("tensor at",)
            return f"{name} is {'another tensor' if tensor else 'changed by Python'} after each step"
    return None
