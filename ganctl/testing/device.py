"""A watch for what a training step must not do: wait for the device, or need it to wait for Python."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from ganctl.testing.findings import Broken, where
from ganctl.training.graph import host_syncs

READS = {**host_syncs.READS, "lift_fresh": "makes a tensor from Python's numbers in each step"}
COPIES = {**host_syncs.COPIES, Tensor.cpu: "cpu"}
REMEDIES = {
    "_local_scalar_dense": "Leave out .item(), float(), int(), print() and if (torch.where instead): keep it a tensor.",
    "lift_fresh": "Register it as a buffer in __init__: self.register_buffer('name', torch.tensor(value)).",
}
SHAPES = "Keep shapes fixed: torch.where or a product with a mask in place of x[mask]."


class LeavesDevice(Exception):  # noqa: N818
    """Raised from within the step, so that its traceback leads to the line."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


class _Ops(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in READS:
            raise LeavesDevice(READS[name], REMEDIES.get(name, SHAPES))
        return func(*args, **(kwargs or {}))


class _Functions(TorchFunctionMode):
    """What on a CPU is no operation at all and on a GPU would wait for it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in COPIES:
            raise LeavesDevice(
                f"copies a tensor to the host with .{COPIES[func]}()",
                "Do it with torch's operations instead.",
            )
        return func(*args, **(kwargs or {}))


@contextmanager
def on_device(doing: str) -> Iterator[None]:
    """Raise :class:`Broken` with the line that leaves the device within.

    Args:
        doing: how the message goes on: ``"in D's turn"``.
    """
    try:
        with _Functions(), _Ops():
            yield
    except LeavesDevice as error:
        raise Broken(
            f"{error.what} {doing}{where(error)}: a GPU would wait for it, and no CUDA graph can hold it.",
            error.remedy,
        ) from error
