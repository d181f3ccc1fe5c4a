"""Check that code in a training step never synchronizes the device with the host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganctl.testing.failures import Broken
from ganctl.training.graph.host_syncs import HostSync, Kind, watch_host_syncs

DESCRIPTIONS = {
    Kind.CONSTANT: "creates a tensor from Python numbers in each step",
    Kind.EXPORT: "copies a tensor to the host with .{operation}()",
}
REMEDIES = {
    Kind.READ: "Keep the value as a tensor. Remove .item(), float(), int() and print(), and use torch.where, not if.",
    Kind.CONSTANT: "Register the tensor as a buffer in __init__: self.register_buffer('name', torch.tensor(value)).",
    Kind.EXPORT: "Use torch's operations instead.",
    Kind.TRANSFER: "Create the tensor on the device of the other tensors: device=x.device.",
}
SHAPE_REMEDY = "Keep shapes fixed: use torch.where or a product with a mask instead of x[mask]."


@contextmanager
def on_device(context: str) -> Iterator[None]:
    """Raise :class:`Broken` with the line at fault if the code in the block synchronizes with the host.

    Args:
        context: End of the message's first clause, such as ``"in the D step"``.
    """

    def fail(sync: HostSync) -> None:
        description = DESCRIPTIONS.get(sync.kind, sync.describe()).format(operation=sync.operation)
        raise Broken(
            f"{description} {context}{_where(sync)}: a GPU must wait for this operation, "
            "and a CUDA graph cannot contain it.",
            REMEDIES.get(sync.kind, SHAPE_REMEDY),
        )

    with watch_host_syncs(fail):
        yield


def _where(sync: HostSync) -> str:
    """Return ``" (file.py, line 3)"``, or an empty string if the line is in ``ganctl.testing`` itself."""
    if sync.place is None or sync.place.module.startswith("ganctl.testing"):
        return ""
    return f" ({Path(sync.place.file).name}, line {sync.place.line})"
