"""The step as a CUDA graph, captured once and launched at every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor


class CudaGraph:
    """CUDA's. Must be used on a stream other than the default one, as :func:`own_stream` gives."""

    announcement: str | None = "The step is a CUDA graph from here on."

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._graph = torch.cuda.CUDAGraph()

    def capture(self, function: Callable[[], None]) -> None:
        pool = torch.cuda.graph_pool_handle()
        random_numbers = torch.cuda.get_rng_state(self._device)
        try:
            # thread_local: another thread may pin memory for the batches to come while this one captures.
            # Mixed precision needs no care: each cast is made and forgotten within the step.
            with torch.cuda.graph(
                self._graph,
                pool=pool,
                stream=torch.cuda.current_stream(self._device),
                capture_error_mode="thread_local",
            ):
                function()
        except BaseException:
            _mend(self._device, pool, random_numbers)
            raise

    def replay(self) -> None:
        self._graph.replay()

    def repeats(self, function: Callable[[], None]) -> bool:
        self.replay()  # both ways would take the memory twice
        return True


def _mend(device: torch.device, pool: Any, random_numbers: Tensor) -> None:
    """Bring torch back to what it was before a capture that CUDA declared invalid, and which torch leaves half-way."""
    index = device.index if device.index is not None else torch.cuda.current_device()
    with suppress(
        Exception
    ):  # so that memory is no longer taken from the graph's pool; private, as is the fault
        torch._C._cuda_endAllocateToPool(index, pool)
    # Up to some version the generator still believes it is being captured; its successor does not.
    successor = torch.Generator(device)
    successor.set_state(random_numbers)
    torch.cuda.default_generators[index].graphsafe_set_state(successor)
    torch.cuda.synchronize(device)


@contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """Within, everything on a CUDA device is queued on a stream that can be captured."""
    if device.type != "cuda":
        yield
        return
    with torch.cuda.device(device):
        outside, inside = torch.cuda.current_stream(), torch.cuda.Stream()
        inside.wait_stream(outside)
        try:
            with torch.cuda.stream(inside):
                yield
        finally:
            outside.wait_stream(inside)
