"""Notice what makes a GPU wait for Python in every step: a value that is read from the device."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode


class HostReads(TorchDispatchMode):
    """Remembers in ``places`` where code that is not ganctl's reads a value: ``.item()``, ``float()``, ``if``."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ == "_local_scalar_dense":
            frame: FrameType | None = sys._getframe(1)
            while frame is not None and _package(frame) == "torch":
                frame = frame.f_back
            if frame is not None and _package(frame) != "ganctl":
                place = f"{frame.f_code.co_filename}, line {frame.f_lineno}"
                if place not in self.places:
                    self.places.append(place)
        return func(*args, **(kwargs or {}))


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]
