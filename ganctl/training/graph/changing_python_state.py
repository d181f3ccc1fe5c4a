"""Detect state in Python that changes from step to step, which no replay of a graph would change."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ganctl.training.engine import Engine


def host_state(engine: Engine) -> dict[str, Any]:
    """Return the state of ``engine`` on the host and the addresses of its tensors, by descriptive names."""
    state: dict[str, Any] = {"Python's random numbers": hash(random.getstate())}
    if numpy := sys.modules.get("numpy"):
        state["numpy's random numbers"] = str(numpy.random.get_state(legacy=False))
    if engine.device.type != "cpu":
        state["torch's random numbers on the CPU"] = bytes(torch.get_rng_state().numpy())
    parts = {name: getattr(engine, name) for name in ("G", "D", "G_ema", "loss", "augment", "latent")}
    for name, part in {**parts, **engine.regularizers}.items():
        modules = part.named_modules() if isinstance(part, nn.Module) else [("", part)]
        for path, module in modules:
            for key, value in _attributes(module):
                state[".".join(filter(None, (name, path, key)))] = value
    for name in ("g_optimizer", "d_optimizer"):
        state.update(_optimizer_state(name, getattr(engine, name)))
    return state


def describe_change(before: dict[str, Any], after: dict[str, Any]) -> str | None:
    """Return a description of the first difference between two results of :func:`host_state`, or None."""
    for name, value in after.items():
        if name not in before or before[name] != value:
            if name.endswith(("random numbers", "on the CPU")):
                return f"a step draws {name}"
            tensor = isinstance(value, tuple) and value[:1] == ("tensor at",)
            return f"{name} is {'another tensor' if tensor else 'changed by Python'} after each step"
    return None


def _optimizer_state(name: str, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    state = {
        f"{name}.{key}": value
        for key, value in vars(optimizer).items()
        if isinstance(value, bool | int | float)
    }
    for number, group in enumerate(optimizer.param_groups):
        for key, value in group.items():
            if key != "params":
                state[f"{name}'s {key} of group {number}"] = _fingerprint(value)
    for number, weight_state in enumerate(optimizer.state.values()):
        for key, value in weight_state.items():
            state[f"{name}'s {key} of weight {number}"] = _fingerprint(value)
    return state


def _attributes(module: object) -> Iterator[tuple[str, Any]]:
    attributes = dict(vars(module)) if hasattr(module, "__dict__") else {}
    if isinstance(module, nn.Module):
        for table in ("_parameters", "_buffers"):
            attributes.update(attributes.pop(table))
        attributes.pop("_modules")
    for key, value in attributes.items():
        yield key, _fingerprint(value)


def _fingerprint(value: Any) -> Any:
    """Return a value that differs if Python changed ``value``: the address of a tensor, plain values themselves."""
    if isinstance(value, Tensor):
        return "tensor at", value.data_ptr(), tuple(value.shape)
    if isinstance(value, list | tuple):
        return [_fingerprint(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _fingerprint(item) for key, item in value.items()}
    return value if isinstance(value, bool | int | float | str | None) else type(value).__name__
