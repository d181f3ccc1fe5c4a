"""A watch for what a training step must not do, so that it can be captured as a CUDA graph."""

from __future__ import annotations

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode


class NoSync(TorchDispatchMode):
    """Fails on whatever reads a value from the device, has a shape that depends on one, or uploads one."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        forbidden = ("_local_scalar_dense", "nonzero", "item", "is_nonzero", "lift_fresh")
        assert name not in forbidden, f"{name} leaves the device"
        return func(*args, **(kwargs or {}))
