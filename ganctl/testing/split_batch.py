"""Run code on the halves of a batch in two threads that exchange rows, like two processes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import torch
from torch import Tensor

from ganctl.batchwise import use_group

PROCESSES = 2
SECONDS = 20.0  # maximum time that a thread waits for the other thread


class ThreadGroup:
    """A group of threads, one per rank. Gradients pass between the threads, because the threads share one graph."""

    def __init__(self, rank: int, barrier: threading.Barrier, slots: list[Tensor | None]) -> None:
        self.rank, self.size = rank, PROCESSES
        self._barrier, self._slots = barrier, slots

    def gather(self, x: Tensor) -> Tensor:
        self._slots[self.rank] = x
        self._barrier.wait(SECONDS)
        gathered = torch.cat([slot for slot in self._slots if slot is not None])
        self._barrier.wait(SECONDS)
        return gathered


def run_in_halves(function: Callable[[int], Any]) -> list[Any]:
    """Call ``function(rank)`` for each rank in a separate thread, and return the results in rank order.

    Raises:
        Exception: the first exception raised by a call.
    """
    barrier, slots = threading.Barrier(PROCESSES), [None] * PROCESSES
    results: list[Any] = [None] * PROCESSES
    errors: list[BaseException] = []

    def run(rank: int) -> None:
        try:
            with use_group(ThreadGroup(rank, barrier, slots)):  # type: ignore[arg-type]
                results[rank] = function(rank)
        except BaseException as error:
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=copy_context().run, args=(run, rank)) for rank in range(PROCESSES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    causes = [error for error in errors if not isinstance(error, threading.BrokenBarrierError)]
    if errors:
        raise (causes or errors)[0]
    return results


def half(x: Tensor | None, rank: int) -> Tensor | None:
    """Return the rows of ``x`` in the process ``rank``."""
    return None if x is None else x.chunk(PROCESSES)[rank]
