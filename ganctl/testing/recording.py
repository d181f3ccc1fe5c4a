"""A stand-in for a CUDA graph, on any device: torch's operations are kept as they were called, and called again.

As with the real one, a replay runs no Python of the step's: numbers stay what they were, tensors are read and written
where they lay, and only random numbers are drawn anew. What CUDA refuses to capture is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ganctl.devices import rng_state, set_rng_state
from ganctl.hostreads import obstacle

CPU = torch.device("cpu")


class RecordedGraph:
    """Keeps the operations of one call of a function; a :class:`ganctl.capture.Graph`."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []

    def capture(self, function: Callable[[], None]) -> None:
        """Keep what ``function`` does. What it changed is changed back, as if it had not been called.

        Raises:
            RuntimeError: it does what no CUDA graph can hold.
        """
        recorder, random_numbers = _Recorder(), rng_state(CPU)
        try:
            with recorder:
                function()
        finally:
            recorder.undo()
            set_rng_state(random_numbers, CPU)
        self._calls = recorder.calls

    @torch.no_grad()
    def replay(self) -> None:
        for call in self._calls:
            call.again()


class _Call:
    def __init__(self, func: Any, args: Any, kwargs: Any) -> None:
        self._func, self._args, self._kwargs = func, args, kwargs
        self.answer = func(*args, **kwargs)
        inputs = {_storage(tensor) for tensor in _tensors((args, kwargs))}
        self.made = [tensor for tensor in _tensors(self.answer) if _storage(tensor) not in inputs]

    def again(self) -> None:
        answers = list(_tensors(self._func(*self._args, **self._kwargs)))
        before = list(_tensors(self.answer))
        for old, new in zip(before, answers, strict=True):
            if any(old is made for made in self.made):
                old.copy_(new)


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[_Call] = []
        self._made: set[int] = set()
        self._before: dict[int, tuple[Tensor, torch.UntypedStorage]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if what := obstacle(func, args):
            raise RuntimeError(f"operation not permitted when stream is capturing: {what}")
        for tensor in _tensors((args, kwargs)):
            place = _storage(tensor)
            if place not in self._made and place not in self._before:
                self._before[place] = tensor, tensor.untyped_storage().clone()
        call = _Call(func, args, kwargs or {})
        self.calls.append(call)  # keeps every tensor alive, so that no address is used twice
        self._made.update(map(_storage, call.made))
        return call.answer

    def undo(self) -> None:
        for tensor, content in self._before.values():
            tensor.untyped_storage().copy_(content)


def _tensors(tree: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
