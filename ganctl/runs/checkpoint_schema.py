"""Validate a checkpoint's contents before building anything from it. Checkpoint files are not trusted."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import torch
from torch import Tensor

from ganctl.config.ranges import check_ranges
from ganctl.config.settings import COMPONENTS, LISTS, Config
from ganctl.data.pixels import DTYPES
from ganctl.errors import CHECKPOINT, DATA, RESOURCES, GanctlError
from ganctl.plugin import options

PLAIN = (bool, int, float, str, type(None))
CONDITIONS_LIMIT = 2**24  # maximum size of conditions in a checkpoint, in bytes
MOST_VALUES = 10**6  # a file can be small even if a list contains another list many times
DEEPEST = 20  # maximum depth of nested tables; checkpoints written by ganctl have 7 levels
DEVICE = re.compile(r"auto|cpu|mps|cuda(:[0-9]+)?")
#: Valid names of components, distributions and versions. The names appear in commands that users paste.
SAFE_TEXT = re.compile(r"[\w.:+!-]+", re.ASCII)


def check(state: dict[str, Any], path: Path) -> None:
    """Raise a GanctlError with status ``CHECKPOINT`` unless ``state`` has all parts with the correct types."""
    if not _is_plain(state):
        raise _unusable(path, "it contains an object that ganctl does not save")
    for name, is_right in _PARTS.items():
        if name not in state:
            raise _unusable(path, f"it has no '{name}'")
        if not is_right(state[name]):
            raise _unusable(path, f"its '{name}' has the wrong type or range")
    for name, is_right in _OPTIONAL_PARTS.items():
        if name in state and not is_right(state[name]):
            raise _unusable(path, f"its '{name}' has the wrong type or range")
    if not _conditions_fit(state):
        raise _unusable(path, "its 'conditions' do not match its 'condition' or 'num_classes'")
    _check_config(state["config"], path)
    if (state["config"].get("ema") is None) != (state["engine"].get("G_ema") is None):
        raise _unusable(path, "it has settings or weights of an averaged G, but not both")
    for setting in ("model", *COMPONENTS):
        named = state["config"].get(setting)
        if named is None or (setting == "latent" and setting not in state["components"]):
            continue
        if setting not in state["components"]:
            raise _unusable(path, f"the distribution of its '{setting}' is missing")
        name = named["name"] if isinstance(named, dict) else named
        if state["components"][setting]["name"] != name.rpartition(":")[2]:  # of "distribution:name"
            raise _unusable(path, f"its '{setting}' has two names")


@contextmanager
def checkpoint_errors(path: Path | None) -> Iterator[None]:
    """Report errors raised in the block as errors in the checkpoint ``path``. Without a path, do nothing.

    Data errors, memory errors and disk errors are not reported as errors in the checkpoint.
    """
    try:
        yield
    except GanctlError as error:
        if path is None or error.status in (CHECKPOINT, DATA, RESOURCES):
            raise
        raise GanctlError(
            f"The checkpoint {path} cannot be used. {error.message}", error.hint, status=CHECKPOINT
        ) from error


def _check_config(config: Mapping[str, Any], path: Path) -> None:
    types = get_type_hints(Config)
    for item in fields(Config):
        if item.name not in config:
            if item.default is MISSING and item.default_factory is MISSING:
                raise _unusable(path, f"its settings do not contain '{item.name}'")
            continue
        value, annotation = config[item.name], types[item.name]
        if item.name in COMPONENTS:
            right = _is_component(value) or (value is None and item.default is None)
        elif item.name in LISTS:
            right = isinstance(value, list) and all(isinstance(v, str) or _is_component(v) for v in value)
        elif get_origin(annotation) is Mapping:
            right = _is_table(value) and all(isinstance(text, str) for text in value.values())
        else:
            try:
                right = isinstance(value, PLAIN) and options.convert(item.name, value, annotation) == value
            except GanctlError:
                right = False
        if not right:
            raise _unusable(path, f"its setting '{item.name}' is of the wrong type")

    if not DEVICE.fullmatch(config.get("device", "auto")):
        raise _unusable(path, "its setting 'device' is not a device")
    with checkpoint_errors(path):
        check_ranges(Config.from_dict(config))


def _unusable(path: Path, why: str) -> GanctlError:
    return GanctlError(
        f"{path} is not a checkpoint that this version of ganctl can use: {why}.",
        "Update ganctl if a later version wrote it. Otherwise, use another checkpoint of the run.",
        status=CHECKPOINT,
    )


def _is_plain(state: Any) -> bool:
    """Return whether ``state`` contains only ordinary tensors, plain values, and tables and lists of limited depth.

    The implementation is iterative, because a file can contain tables nested more deeply than Python can recurse.
    """
    level, left = [state], MOST_VALUES
    for _ in range(DEEPEST):
        left -= len(level)
        if left < 0:
            return False
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += [*value.keys(), *value.values()]
            elif isinstance(value, (list, tuple)):
                below += value
            elif isinstance(value, Tensor):
                if (
                    type(value) is not Tensor
                    or value.layout is not torch.strided
                    or value.device.type != "cpu"
                ):
                    return False
                if value.is_quantized or value.is_complex():
                    return False
            elif not isinstance(value, PLAIN):
                return False
        if not below:
            return True
        level = below
    return False


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_component(value: Any) -> bool:
    return _is_table(value) and isinstance(value.get("name"), str)


def _is_origin(value: Any) -> bool:
    return _is_table(value) and all(
        isinstance(value.get(key), str) and SAFE_TEXT.fullmatch(value[key]) is not None
        for key in ("name", "distribution", "version")
    )


def _is_weights(value: Any) -> bool:
    return _is_table(value) and all(isinstance(weight, Tensor) for weight in value.values())


def _is_engine(value: Any) -> bool:
    if not (_is_table(value) and _is_weights(value.get("G")) and _is_weights(value.get("D"))):
        return False
    if not _is_table(value.get("loss")):
        return False
    return value.get("G_ema") is None or (
        _is_weights(value["G_ema"]) and _shapes(value["G_ema"]) == _shapes(value["G"])
    )


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, tuple[Any, ...]]:
    return {name: (weight.shape, weight.dtype) for name, weight in weights.items()}


def _is_recorder(value: Any) -> bool:
    if not (_is_table(value) and _is_texts(value.get("names")) and isinstance(value.get("rows"), Tensor)):
        return False
    rows = value["rows"]
    return len(rows.shape) > 0 and (rows.numel() == 0 or rows.shape[1:] == (len(value["names"]),))


def _is_random_state(value: Any) -> bool:
    if not (_is_table(value) and "cpu" in value):
        return False
    try:
        torch.Generator().set_state(value["cpu"])
    except (RuntimeError, TypeError):
        return False
    return all(isinstance(state, Tensor) and state.dtype == torch.uint8 for state in value.values())


def _is_pixels(value: Any) -> bool:
    if not (_is_table(value) and value.keys() == {"dtype", "range"}):
        return False
    if not (isinstance(value["dtype"], str) and value["dtype"] in DTYPES):
        return False
    limits = value["range"]
    if not (isinstance(limits, (list, tuple)) and len(limits) == 2):
        return False
    if not all(type(limit) in (int, float) and math.isfinite(limit) for limit in limits):
        return False
    return bool(limits[0] < limits[1])


def _is_conditions(value: Any) -> bool:
    if value is None:
        return True
    if not (_is_table(value) and value.keys() == {"c", "y"} and isinstance(value["c"], Tensor)):
        return False
    c, y = value["c"], value["y"]
    if not c.shape or c.nbytes > CONDITIONS_LIMIT or not bool(c.isfinite().all()):
        return False
    return y is None or (isinstance(y, Tensor) and y.dtype == torch.int64 and y.shape == c.shape[:1])


def _conditions_fit(state: Mapping[str, Any]) -> bool:
    stored = state.get("conditions")
    if stored is None:
        return True
    if list(stored["c"].shape[1:]) != state.get("condition"):
        return False
    y = stored["y"]
    return y is None or bool(((y >= 0) & (y < state["num_classes"])).all())


#: Parts that checkpoints from earlier versions do not contain.
_OPTIONAL_PARTS: dict[str, Callable[[Any], bool]] = {
    "pixels": _is_pixels,
    "condition": lambda value: value is None or (isinstance(value, list) and all(map(_is_count, value))),
    "conditions": _is_conditions,
}
_PARTS: dict[str, Callable[[Any], bool]] = {
    "step": _is_count,
    "seconds": lambda value: type(value) in (int, float) and 0 <= value < 2**53,
    "config": _is_table,
    "components": lambda value: _is_table(value) and all(_is_origin(origin) for origin in value.values()),
    "image": lambda value: (
        isinstance(value, list) and len(value) == 3 and all(_is_count(side) and side for side in value)
    ),
    "classes": _is_texts,
    "num_classes": _is_count,
    "data": lambda value: isinstance(value, str),
    "engine": _is_engine,
    "recorder": _is_recorder,
    "rng": _is_random_state,
}
