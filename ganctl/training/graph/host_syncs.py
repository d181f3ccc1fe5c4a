"""Notice what makes a GPU wait for Python in every step, and what no graph of a step can hold."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

#: Operations that need the device's answer before Python can go on → what they do.
READS = {
    "_local_scalar_dense": "reads a value from the device",
    "equal": "reads a value from the device",
    "bincount": "has a shape that depends on values",
    "nonzero": "has a shape that depends on values",
    "masked_select": "has a shape that depends on values",
    "_unique2": "has a shape that depends on values",
    "unique_dim": "has a shape that depends on values",
    "unique_consecutive": "has a shape that depends on values",
}
#: Those of a tensor's methods that give its values away without an operation → their names.
COPIES = {Tensor.numpy: "numpy", Tensor.tolist: "tolist", Tensor.__array__: "numpy"}
INDEXING = ("index", "index_put", "index_put_", "_index_put_impl_")


class HostReads(TorchDispatchMode):
    """Remembers in ``places`` where code that is not ganctl's reads a value: ``.item()``, ``float()``, ``if``."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ == "_local_scalar_dense":
            frame = _outside_torch()
            if frame is not None and _package(frame) != "ganctl":
                _add(self.places, f"{frame.f_code.co_filename}, line {frame.f_lineno}")
        return func(*args, **(kwargs or {}))


@contextmanager
def obstacles(device: torch.device) -> Iterator[list[str]]:
    """Yield a list in which stands afterwards, in words, what no graph on ``device`` could hold, whoever did it."""
    found: list[str] = []
    with _Copies(found), _Obstacles(found, device):
        yield found


class _Obstacles(TorchDispatchMode):
    def __init__(self, found: list[str], device: torch.device) -> None:
        super().__init__()
        self._found, self._device = found, device

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        answer = func(*args, **(kwargs or {}))
        if what := obstacle(func, args, answer, self._device):
            _add(self._found, f"{_place()} {what} in every step")
        return answer


class _Copies(TorchFunctionMode):
    """On a CPU, where these are no operations."""

    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self._found = found

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in COPIES:
            _add(self._found, f"{_place()} reads a tensor with .{COPIES[func]}() in every step")
        return func(*args, **(kwargs or {}))


def obstacle(func: Any, args: Any, answer: Any, device: torch.device) -> str | None:
    """What an operation does that no graph on ``device`` can hold; None for what it can."""
    name = func.overloadpacket.__name__
    if name in READS:
        return READS[name]
    if name in INDEXING and any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1]):
        return "selects by a mask, so that a shape depends on values"
    if name in ("_to_copy", "copy_") and isinstance(answer, Tensor):
        source = args[1] if name == "copy_" else args[0]
        if source.device != answer.device:
            return f"copies from {source.device.type} to {answer.device.type}"
    if name == "lift_fresh" and answer.device.type == device.type:
        return "makes a tensor from Python's numbers"
    return None


def _add(places: list[str], place: str) -> None:
    if place not in places:
        places.append(place)


def _place() -> str:
    frame = _outside_torch()
    return f"{frame.f_code.co_filename}, line {frame.f_lineno}," if frame else "the backward pass"


def _outside_torch() -> FrameType | None:
    """The innermost frame that is neither torch's nor this module's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (_package(frame) == "torch" or frame.f_globals is globals()):
        frame = frame.f_back
    return frame


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]
