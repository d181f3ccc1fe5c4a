"""Where the images lie that a training draws from, and how they come from there in time.

On the device where they fit. Else batches are gathered ahead by threads, from memory or, through the memory-mapped
cache, from disk, and copied to the device on a stream of their own while it computes.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ganctl.system.memory import free_memory, gib
from ganctl.system.processors import usable_processors

AHEAD = 4  # steps


class Place(NamedTuple):
    """Where the images are kept; ``why`` is a sentence for the log."""

    where: Literal["device", "host", "disk"]
    why: str


def choose_place(
    size: int, device: torch.device, *, on_device: int | None = None, in_memory: int | None = None
) -> Place:
    """Where images of ``size`` bytes are kept for a training on ``device``.

    Args:
        on_device: bytes that are free there; found out unless given.
        in_memory: bytes that are free on the host, likewise.
    """
    images = f"The images ({gib(size)})"
    if in_memory is None and (in_memory := free_memory()) is None:
        in_memory = 2**63  # where the system does not say, it is left to find room
    if device.type == "cuda":
        on_device = torch.cuda.mem_get_info(device)[0] if on_device is None else on_device
        if size < on_device / 2:  # the other half is for the networks
            return Place("device", f"{images} are kept in the GPU's memory.")
        images += f" are more than half of the GPU's free memory ({gib(on_device)})"
        if size < in_memory:
            return Place("host", f"{images}; batches are copied ahead from the host's.")
        images += ","
    if size < in_memory:
        return Place("device", f"{images} are kept in memory.")
    return Place(
        "disk",
        f"{images} are more than the free memory ({gib(in_memory)}); batches are read ahead from disk.",
    )


class Feed:
    """The images of one step at an address that does not change, with those of the next steps on their way.

    Args:
        x: uint8 N×C×H×W, in memory or memory-mapped.
        y: int64 N, or None.
        count: images of a step.
        indices: position → which images come from there on, int64 ``count``.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor | None,
        count: int,
        indices: Callable[[int], Tensor],
        device: torch.device,
        *,
        threads: int,
    ) -> None:
        self._images, self._labels, self._count, self._indices = x, y, count, indices
        self.x = torch.empty((count, *x.shape[1:]), dtype=torch.uint8, device=device)
        self.y = None if y is None else torch.empty(count, dtype=torch.int64, device=device)
        self.waited = 0.0  # seconds that the host was kept from giving the device its step
        self._copies = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._slots = [_Slot.like(self.x, self.y) for _ in range(AHEAD)]
        self._pool = ThreadPoolExecutor(threads, "ganctl-feed")
        self._coming: collections.deque[tuple[_Slot, Future[None]]] = collections.deque()
        self._next = -1  # position of the first that is coming

    def stage(self, position: int) -> None:
        """Put the images from ``position`` on in place, for what the device is given next."""
        if position != self._next:
            self._begin(position)
        slot, coming = self._coming.popleft()
        began = time.perf_counter()
        coming.result()
        self.waited += time.perf_counter() - began
        if slot.copied is not None:
            slot.copied.wait()  # this stream, not the host
        self.x.copy_(slot.x, non_blocking=True)
        if self.y is not None and slot.y is not None:
            self.y.copy_(slot.y, non_blocking=True)
        if slot.used is not None:
            slot.used.record()
        self._next = position + self._count
        self._fetch(slot, position + AHEAD * self._count)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _begin(self, position: int) -> None:
        for _, coming in self._coming:
            coming.result()
        self._coming.clear()
        for number, slot in enumerate(self._slots):
            self._fetch(slot, position + number * self._count)

    def _fetch(self, slot: _Slot, position: int) -> None:
        indices = self._indices(position)
        self._coming.append((slot, self._pool.submit(self._fill, slot, indices)))

    def _fill(self, slot: _Slot, indices: Tensor) -> None:
        """In a thread: torch lets others run while it gathers, and while the disk is waited for."""
        if slot.copied is not None:
            slot.copied.synchronize()  # what was here before has left
        torch.index_select(self._images, 0, indices, out=slot.pinned_x)
        if self._labels is not None and slot.pinned_y is not None:
            torch.index_select(self._labels, 0, indices, out=slot.pinned_y)
        if self._copies is not None and slot.copied is not None and slot.used is not None:
            with torch.cuda.stream(self._copies):
                self._copies.wait_event(slot.used)
                slot.x.copy_(slot.pinned_x, non_blocking=True)
                if slot.y is not None and slot.pinned_y is not None:
                    slot.y.copy_(slot.pinned_y, non_blocking=True)
                slot.copied.record()


@dataclass
class _Slot:
    """Images on their way. On a CPU what is gathered is there already."""

    x: Tensor
    y: Tensor | None
    pinned_x: Tensor
    pinned_y: Tensor | None
    copied: torch.cuda.Event | None = None  # to the device
    used: torch.cuda.Event | None = None  # by the device

    @classmethod
    def like(cls, x: Tensor, y: Tensor | None) -> _Slot:
        if x.device.type == "cpu":
            x, y = torch.empty_like(x), None if y is None else torch.empty_like(y)
            return cls(x, y, x, y)
        cuda = x.is_cuda
        return cls(
            torch.empty_like(x),
            None if y is None else torch.empty_like(y),
            torch.empty(x.shape, dtype=x.dtype, pin_memory=cuda),
            None if y is None else torch.empty(y.shape, dtype=y.dtype, pin_memory=cuda),
            torch.cuda.Event() if cuda else None,
            torch.cuda.Event() if cuda else None,
        )


def reading_threads() -> int:
    """For a disk: more than processors, as they mostly wait."""
    return min(16, 2 * usable_processors())
