"""A step as a CUDA graph, captured once and launched at every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor


class CudaGraph:
    """A CUDA graph; a :class:`ganctl.training.graph.warmup_and_replay.Graph`.

    Must be used on a stream other than the default stream, such as the one of :func:`own_stream`.
    """

    announcement: str | None = "The step now runs as a CUDA graph."

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._graph = torch.cuda.CUDAGraph()

    def capture(self, function: Callable[[], None]) -> None:
        pool = torch.cuda.graph_pool_handle()
        rng_state = torch.cuda.get_rng_state(self._device)
        try:
            # thread_local: another thread may pin memory for the next batches during the capture.
            # Mixed precision needs no special care: each cast is made and freed within the step.
            with torch.cuda.graph(
                self._graph,
                pool=pool,
                stream=torch.cuda.current_stream(self._device),
                capture_error_mode="thread_local",
            ):
                function()
        except BaseException:
            _restore_after_failed_capture(self._device, pool, rng_state)
            raise

    def replay(self) -> None:
        self._graph.replay()

    def replay_matches(self, function: Callable[[], None]) -> bool:
        self.replay()  # not compared: an eager step in addition would need twice the memory
        return True


def _restore_after_failed_capture(device: torch.device, pool: Any, rng_state: Tensor) -> None:
    """Restore the state of torch that a capture leaves incomplete when CUDA invalidates it."""
    index = device.index if device.index is not None else torch.cuda.current_device()
    # Stop allocating from the graph's pool. torch has no public function for this, and does not do it itself.
    with suppress(Exception):
        torch._C._cuda_endAllocateToPool(index, pool)
    # In some versions of torch the generator remains in capture mode. A new generator is not.
    generator = torch.Generator(device)
    generator.set_state(rng_state)
    torch.cuda.default_generators[index].graphsafe_set_state(generator)
    torch.cuda.synchronize(device)


@contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """Queue all work of the block on a stream that can be captured, if ``device`` is a CUDA device."""
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
