"""Compare every part of a checkpoint with what its run would have saved, before any of it is loaded.

The seal of a checkpoint only shows that the file is complete: anybody can compute it again. A wrong shape in the state
of an optimizer is the dangerous case, because the fused kernels of torch do not check shapes and write past the end.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ganctl.config.settings import Config
from ganctl.data.pixels import PixelFormat
from ganctl.dataset import Images
from ganctl.errors import GanctlError
from ganctl.plugin.registry import Registry
from ganctl.runs.folder import Run
from ganctl.training import components, optimizers
from ganctl.training.engine import Engine
from ganctl.training.setup import condition_shape, count_classes

#: States of torch's optimizers that are means of squares or of absolute values.
NEVER_NEGATIVE = {"exp_avg_sq", "max_exp_avg_sq", "square_avg", "exp_inf", "acc_delta"}


def check_state(state: Mapping[str, Any], engine: Engine, config: Config, registry: Registry) -> None:
    """Check everything in ``state`` that a new ``engine`` of the same settings can be compared with.

    Args:
        state: a checkpoint that passed :func:`ganctl.runs.checkpoint_schema.check`.
        engine: the engine of ``config``, which is not changed.

    Raises:
        GanctlError: a part differs. The message names it.
    """
    saved, expected = state["engine"], engine.state_dict()
    for part in ("G", "D", "G_ema", "loss", "augment"):
        if expected[part] is None:
            if saved.get(part) is not None:
                raise _wrong(f"it has a '{part}', which its settings do not have")
            continue
        # Only these are checked for finite values when a checkpoint is saved.
        module = getattr(engine, part)
        check_weights(part, saved.get(part), expected[part], module, finite=part != "augment")
    regularizers = saved.get("regularizers", {})
    if not isinstance(regularizers, dict) or regularizers.keys() != expected["regularizers"].keys():
        raise _wrong("its 'regularizers' are not those of its settings")
    for name, own_state in expected["regularizers"].items():
        check_weights(f"regularizers.{name}", regularizers[name], own_state, engine.regularizers[name])
    for part, network, updates in (
        ("g_optimizer", engine.G, state["step"] * config.n_generator),
        ("d_optimizer", engine.D, state["step"] * config.n_critic),
    ):
        own = getattr(engine, part)
        spec = getattr(config, part)
        with torch.random.fork_rng(devices=[engine.device] if engine.device.type == "cuda" else []):
            stepped = components.make_optimizer(registry, spec, copy.deepcopy(network), engine.device)
            optimizers.take_a_step(stepped)
        check_optimizer(
            part,
            saved.get(part),
            fresh=optimizers.state_dict(own),
            stepped=optimizers.state_dict(stepped),
            shapes=[weight.shape for group in own.param_groups for weight in group["params"]],
            settings=set(spec.options) - _scheduled(part, config),
            updates=updates,
        )
    _check_recorder(
        state["recorder"], config, state["step"], finite=state["config"].get("on_nan") != "ignore"
    )
    _check_random_state(state["rng"], engine.device)


def _scheduled(part: str, config: Config) -> set[str]:
    """Return the options of the optimizer ``part`` that a schedule changes."""
    names = {target.partition(".")[2] for target in config.schedules if target.startswith(f"{part}.")}
    return {"betas" if name.startswith("beta") else name for name in names}


def check_data(state: Mapping[str, Any], images: Images) -> None:
    """Check that the facts about the dataset in ``state`` are those of ``images``, whose pixels are the same.

    Raises:
        GanctlError: a part differs. The message names it.
    """
    for part, expected in (
        ("image", list(images.shape)),
        ("classes", list(images.classes)),
        ("num_classes", count_classes(images)),
        ("condition", condition_shape(images)),
    ):
        if state.get(part) != expected:  # "condition" is absent in older checkpoints
            raise _wrong(f"its '{part}' is not that of the dataset")
    if PixelFormat.from_state(state.get("pixels")) != PixelFormat.of(images):
        raise _wrong("its 'pixels' are not those of the dataset")
    stored = state.get("conditions")
    if stored is not None and (images.c is None or stored["c"].dtype != images.c.dtype):
        raise _wrong("its 'conditions' are not those of the dataset")


def check_reported_names(state: Mapping[str, Any], run: Run | None) -> None:
    """Check that the names of the reported values in ``state`` are those in the log of its ``run``.

    Raises:
        GanctlError: a part differs. The message names it.
    """
    lines, names = run.losses if run else [], state["recorder"]["names"]
    # A line lacks the values of regularizers that were not due in its steps.
    if lines and names and not {"g_loss", "d_loss"} <= lines[-1].keys() <= {"step", "epoch", *names}:
        raise _wrong("its 'recorder' has other names than losses.jsonl")


def check_weights(
    part: str, saved: Any, expected: Mapping[str, Any], module: nn.Module, *, finite: bool = True
) -> None:
    """Check that the state of a module has the names, shapes and dtypes of ``expected``, and finite values.

    Args:
        module: the module that the state is for. It is not changed. Its hooks may rename earlier weights.

    Raises:
        GanctlError: a part differs. The message names it.
    """
    if not isinstance(saved, dict):
        raise _wrong(f"its '{part}' is missing")
    if saved.keys() != expected.keys():
        saved = _renamed(module, saved) or saved
    if saved.keys() != expected.keys():
        raise _wrong(
            f"its '{part}' has other weights than its settings give: {_first_difference(saved, expected)}"
        )
    for name, value in expected.items():
        _check_value(f"{part}.{name}", saved[name], value, finite=finite)


def check_optimizer(
    part: str,
    saved: Any,
    *,
    fresh: Mapping[str, Any],
    stepped: Mapping[str, Any],
    shapes: list[torch.Size],
    settings: set[str],
    updates: int,
) -> None:
    """Check the state of an optimizer.

    Args:
        fresh: state of a new optimizer with the same settings.
        stepped: state of such an optimizer after one step. It shows which tensors the optimizer keeps.
        shapes: shape of each parameter.
        settings: options of the optimizer whose values do not change during training.
        updates: number of steps that the optimizer took.

    Raises:
        GanctlError: a part differs. The message names it.
    """
    if not isinstance(saved, dict) or saved.keys() != stepped.keys():
        raise _wrong(f"its '{part}' is not the state of an optimizer")
    for key in saved.keys() - {"state", "param_groups"}:
        _check_value(f"{part}.{key}", saved[key], stepped[key])
    _check_groups(part, saved["param_groups"], fresh["param_groups"], stepped["param_groups"], settings)
    states = saved["state"]
    # A parameter without gradients has no state, so states may be missing, but not all of them.
    if not isinstance(states, dict) or not states.keys() <= stepped["state"].keys():
        raise _wrong(f"its '{part}' has states of unknown parameters")
    if updates and not states and any(stepped["state"].values()):
        raise _wrong(f"its '{part}' has no states")
    for index, state in states.items():
        name, known = f"{part}.state.{index}", stepped["state"][index]
        if not isinstance(state, dict) or not known.keys() <= state.keys():
            raise _wrong(f"its '{name}' is incomplete")
        for key, value in state.items():
            if known.get(key) is not None:
                _check_value(f"{name}.{key}", value, known[key])
            elif not _may_appear_later(value, shapes[index]):
                raise _wrong(f"its '{name}.{key}' has the wrong type or shape")
            if key in NEVER_NEGATIVE and isinstance(value, Tensor) and bool((value < 0).any()):
                raise _wrong(f"its '{name}.{key}' is negative")
        if "step" in known and float(known["step"]) == 1 and not 1 <= float(state["step"]) <= updates:
            raise _wrong(f"its '{name}.step' is not from 1 to {updates}")


def _check_groups(part: str, saved: Any, fresh: list[Any], stepped: list[Any], settings: set[str]) -> None:
    if not isinstance(saved, list) or len(saved) != len(fresh):
        raise _wrong(f"its '{part}.param_groups' has the wrong length")
    for number, (group, new, later) in enumerate(zip(saved, fresh, stepped, strict=True)):
        name = f"{part}.param_groups.{number}"
        if (
            not isinstance(group, dict)
            or not group.keys() <= later.keys()
            or group.get("params") != new["params"]
        ):
            raise _wrong(f"its '{name}' has other keys or parameters than its settings give")
        for key, value in group.items():
            if key == "params" or key in optimizers.DEVICE_SETTINGS:
                continue
            _check_value(f"{name}.{key}", value, later[key])
            if key == "lr" and value < 0:
                raise _wrong(f"its '{name}.lr' is negative")
            constant = key in settings and later[key] == new.get(key)
            if constant and _as_list(value) != _as_list(new[key]):
                raise _wrong(f"its '{name}.{key}' is not that of its settings")


def _check_recorder(saved: Mapping[str, Any], config: Config, step: int, *, finite: bool) -> None:
    rows = saved["rows"]
    if len(rows) > min(config.log_every or step, step) or (len(rows) and rows.dtype != torch.float32):
        raise _wrong("its 'recorder' has more rows than the settings allow, or of the wrong type")
    if finite and not bool(rows.isfinite().all()):
        raise _wrong("its 'recorder' has values that are not finite")
    names, present = set(saved["names"]), saved.get("present")  # "present" is absent in older checkpoints
    if present is not None and not (
        isinstance(present, Tensor)
        and present.dtype == torch.bool
        and present.shape == (len(rows), len(names))
    ):
        raise _wrong("its 'recorder' does not say which values are present")
    if len(names) != len(saved["names"]) or (names and not {"g_loss", "d_loss"} <= names):
        raise _wrong("its 'recorder' does not have the names of reported values")


def _check_random_state(saved: Mapping[str, Any], device: torch.device) -> None:
    if device.type not in saved:
        return  # the run was on another device
    try:
        torch.Generator(device).set_state(saved[device.type])
    except (RuntimeError, TypeError) as error:
        raise _wrong(f"its 'rng' is not the state of random numbers on {device.type}") from error


def _check_value(name: str, value: Any, expected: Any, *, finite: bool = True) -> None:
    """Check that ``value`` could be a later value of ``expected``."""
    if isinstance(expected, Tensor):
        if not isinstance(value, Tensor):
            raise _wrong(f"its '{name}' is not a tensor")
        if value.shape != expected.shape:
            raise _wrong(f"its '{name}' has the shape {tuple(value.shape)}, not {tuple(expected.shape)}")
        if value.dtype != expected.dtype:
            raise _wrong(f"its '{name}' is {value.dtype}, not {expected.dtype}")
        if finite and not bool(value.isfinite().all()):
            raise _wrong(f"its '{name}' is not finite")
    elif isinstance(expected, bool) or isinstance(value, bool):
        if type(value) is not type(expected):
            raise _wrong(f"its '{name}' has the wrong type")
    elif isinstance(expected, (int, float)):
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            raise _wrong(f"its '{name}' is not a finite number")
    elif isinstance(expected, (list, tuple)):
        if not isinstance(value, (list, tuple)) or len(value) != len(expected):
            raise _wrong(f"its '{name}' has the wrong length or type")
        for number, (item, own) in enumerate(zip(value, expected, strict=True)):
            _check_value(f"{name}.{number}", item, own, finite=finite)
    elif isinstance(expected, dict):
        if not isinstance(value, dict) or value.keys() != expected.keys():
            raise _wrong(f"its '{name}' has the wrong keys")
        for key, own in expected.items():
            _check_value(f"{name}.{key}", value[key], own, finite=finite)
    elif type(value) is not type(expected):
        raise _wrong(f"its '{name}' has the wrong type")


def _may_appear_later(value: Any, shape: torch.Size) -> bool:
    """Return whether an optimizer may have added ``value`` to the state of a parameter in a later step."""
    if not isinstance(value, Tensor):
        return isinstance(value, (bool, int, float, str, type(None)))
    return (value.shape == shape or value.numel() == 1) and bool(value.isfinite().all())


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _renamed(module: nn.Module, saved: dict[str, Any]) -> dict[str, Any] | None:
    """Return ``saved`` as a copy of ``module`` loads it, with all names changed by its hooks; None if that fails."""
    try:
        loaded = copy.deepcopy(module)
        loaded.load_state_dict(saved)
    except Exception:
        return None
    return loaded.state_dict()


def _first_difference(saved: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    missing = [name for name in expected if name not in saved]
    unknown = [name for name in saved if name not in expected]
    pairs = list(zip(unknown, missing, strict=False))
    if len(unknown) == len(missing) and all(_shape(saved[a]) == _shape(expected[b]) for a, b in pairs):
        more = f", and {len(pairs) - 1} more" * (len(pairs) > 1)
        return f"'{pairs[0][0]}' seems to be renamed to '{pairs[0][1]}'{more}"
    return f"'{missing[0]}' is missing" if missing else f"'{unknown[0]}' is unknown"


def _shape(value: Any) -> Any:
    return getattr(value, "shape", None)


def _wrong(why: str) -> GanctlError:
    """Return the error for a checkpoint. ``checkpoint_errors`` adds the path of the file."""
    return GanctlError(f"{why[0].upper()}{why[1:]}.", "Use another checkpoint of the run.")
