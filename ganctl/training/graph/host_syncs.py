"""Watch a step for operations that synchronize the device with the host, and where they are called.

A GPU has to wait at each of them, and no graph of a step can contain them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode


class Kind(Enum):
    """Kinds of synchronization. The values are the descriptions that messages contain."""

    READ = "reads a value from the device"
    DYNAMIC_SHAPE = "has a shape that depends on values"
    MASK = "selects by a mask, so that a shape depends on values"
    TRANSFER = "copies from {source} to {target}"
    CONSTANT = "makes a tensor from Python's numbers"
    EXPORT = "reads a tensor with .{operation}()"


class Place(NamedTuple):
    """The line of Python that called an operation.

    Args:
        optimizer: optimizer of torch.optim whose step contains the operation; None for other operations.
    """

    file: str
    line: int
    module: str
    optimizer: torch.optim.Optimizer | None = None

    def __str__(self) -> str:
        if self.optimizer is not None and _is_own(self.module):
            return f"the optimizer {type(self.optimizer).__name__}"
        return f"{self.file}, line {self.line}"

    def remedy(self, device: torch.device) -> str:
        """Return what to do about an operation of an optimizer on ``device``, or an empty string."""
        names = ("fused", "capturable") if device.type == "cuda" else ("fused",)  # capturable needs a GPU
        missing = [
            name
            for name in names
            if self.optimizer and self.optimizer.defaults.get(name, True) in (None, False)
        ]
        if not missing:
            return ""
        return f" (if the factory of this optimizer has the parameter {' or '.join(missing)}, ganctl sets it)"


class HostSync(NamedTuple):
    """One synchronization of the device with the host.

    Args:
        operation: name of the operation in torch, such as ``"_local_scalar_dense"`` for ``.item()``.
        source: type of the device of the operation's input; empty unless ``kind`` is TRANSFER.
        target: type of the device of its result; empty unless ``kind`` is TRANSFER or CONSTANT.
        place: the innermost line outside torch; None if autograd called the operation in a thread of its own.
    """

    kind: Kind
    operation: str
    source: str = ""
    target: str = ""
    place: Place | None = None

    def describe(self) -> str:
        """Return a predicate such as ``"reads a value from the device"``."""
        return self.kind.value.format(operation=self.operation, source=self.source, target=self.target)

    def blocks_capture(self, device: torch.device) -> bool:
        """Return whether no graph on ``device`` can contain the operation."""
        if self.kind is Kind.CONSTANT:
            return self.target == device.type
        return self.operation != "cpu"  # does nothing on a CPU, and is a TRANSFER elsewhere


@contextmanager
def watch_host_syncs(report: Callable[[HostSync], None]) -> Iterator[None]:
    """Call ``report`` for each synchronization inside the block. Results of the operations do not change."""
    with _MethodWatcher(report), FilledAssignments(), _OperationWatcher(report):
        yield


def user_reads(syncs: Iterable[HostSync]) -> list[Place]:
    """Return each place outside ganctl that reads a value, in order and without duplicates."""
    places = [sync.place for sync in syncs if sync.kind is Kind.READ]
    return list(dict.fromkeys(p for p in places if p and not _is_own(p.module)))


def _is_own(module: str) -> bool:
    return module.partition(".")[0] == "ganctl"


def classify(func: Any, args: Any, result: Any) -> HostSync | None:
    """Return the synchronization that the operation ``func`` of torch's dispatcher causes, or None."""
    name = func.overloadpacket.__name__
    if name in OPERATIONS:
        return HostSync(OPERATIONS[name], name)
    if name in INDEXING and any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1]):
        return HostSync(Kind.MASK, name)
    if name in ("_to_copy", "copy_") and isinstance(result, Tensor):
        source = args[1] if name == "copy_" else args[0]
        if source.device != result.device:
            return HostSync(Kind.TRANSFER, name, source.device.type, result.device.type)
    if name == "lift_fresh":
        return HostSync(Kind.CONSTANT, name, target=result.device.type)
    return None


#: Operations that always synchronize.
OPERATIONS = {
    "_local_scalar_dense": Kind.READ,
    "equal": Kind.READ,
    "bincount": Kind.DYNAMIC_SHAPE,
    "nonzero": Kind.DYNAMIC_SHAPE,
    "masked_select": Kind.DYNAMIC_SHAPE,
    "_unique2": Kind.DYNAMIC_SHAPE,
    "unique_dim": Kind.DYNAMIC_SHAPE,
    "unique_consecutive": Kind.DYNAMIC_SHAPE,
}
#: Operations that synchronize if an index is a mask.
INDEXING = ("index", "index_put", "index_put_", "_index_put_impl_")
#: Methods that the dispatcher does not see if the tensor is on a CPU.
METHODS = {Tensor.numpy: "numpy", Tensor.tolist: "tolist", Tensor.__array__: "numpy", Tensor.cpu: "cpu"}


class _OperationWatcher(TorchDispatchMode):
    def __init__(self, report: Callable[[HostSync], None]) -> None:
        super().__init__()
        self._report = report

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if sync := classify(func, args, result):
            self._report(sync._replace(place=_calling_place()))
        return result


class _MethodWatcher(TorchFunctionMode):
    def __init__(self, report: Callable[[HostSync], None]) -> None:
        super().__init__()
        self._report = report

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in METHODS:
            self._report(HostSync(Kind.EXPORT, METHODS[func], place=_calling_place()))
        return func(*args, **(kwargs or {}))


class FilledAssignments(TorchFunctionMode):
    """Within this context, ``x[:, 2:4] = 0`` fills a tensor with the number, as torch does on a GPU.

    On a CPU, torch copies the number from Python to a new tensor, which looks like :attr:`Kind.CONSTANT`.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.__setitem__ and isinstance(args[2], (bool, int, float)):
            x, index, number = args
            args = (x, index, torch.full((), number, dtype=x.dtype, device=x.device))
        return func(*args, **(kwargs or {}))


def _calling_place() -> Place | None:
    """Return the innermost line that is neither in torch nor in this module."""
    frame: FrameType | None = sys._getframe(1)
    optimizer = None
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith("torch.optim") and isinstance(
            own := frame.f_locals.get("self"), torch.optim.Optimizer
        ):
            optimizer = own
        if module.partition(".")[0] != "torch" and frame.f_globals is not globals():
            return Place(frame.f_code.co_filename, frame.f_lineno, module, optimizer)
        frame = frame.f_back
    return None
