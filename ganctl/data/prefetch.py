"""Choose where to store images during training, and prefetch images that do not fit on the device.

Images that do not fit on the device are gathered by threads, either from memory or from disk through the memory-mapped
cache. The images are copied to the device on a separate stream while the device computes.
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

from ganctl.data.pixels import as_signed
from ganctl.dataset import Images
from ganctl.system.memory import free_memory, gib
from ganctl.system.processors import usable_processors

STEPS_AHEAD = 4


class Placement(NamedTuple):
    """Location of the images during training. ``reason`` is a sentence for the log."""

    location: Literal["device", "host", "disk"]
    reason: str


def choose_placement(
    size: int, device: torch.device, *, on_device: int | None = None, in_memory: int | None = None
) -> Placement:
    """Choose where to store ``size`` bytes of images while training on ``device``.

    Args:
        size: total size of all images in bytes.
        device: device used for training.
        on_device: free memory on the device in bytes. If None, it is measured.
        in_memory: free host memory in bytes. If None, it is measured.
    """
    images = f"The images ({gib(size)})"
    if in_memory is None and (in_memory := free_memory()) is None:
        in_memory = 2**63  # unknown, so assume that there is enough
    if device.type == "cuda":
        on_device = torch.cuda.mem_get_info(device)[0] if on_device is None else on_device
        if size < on_device / 2:  # the networks need the other half
            return Placement("device", f"{images} are kept in the GPU's memory.")
        images += f" need more than half of the GPU's free memory ({gib(on_device)})"
        if size < in_memory:
            return Placement("host", f"{images}, so batches are prefetched from host memory.")
        images += " and"
    if size < in_memory:
        return Placement("device", f"{images} are kept in memory.")
    return Placement(
        "disk",
        f"{images} need more than the free memory ({gib(in_memory)}), so batches are prefetched from disk.",
    )


class Prefetcher:
    """The images for one step at a fixed address, while the images for the next steps are being read.

    Attributes:
        x: staged images, count×C×H×W on ``device``. ``y``: labels. ``c``: conditions. ``x`` and ``c`` have the dtype
            returned by :func:`ganctl.data.pixels.as_signed`.
        seconds_waited: time for which the host has waited for images.

    Args:
        images: dataset, in memory or memory-mapped.
        count: number of images per step.
        indices: function that returns the int64 indices of ``count`` images, starting at a given position.
        device: device used for training.
        threads: number of threads that gather images.
    """

    def __init__(
        self,
        images: Images,
        count: int,
        indices: Callable[[int], Tensor],
        device: torch.device,
        *,
        threads: int,
    ) -> None:
        sources = {"x": images.x, "y": images.y, "c": images.c}
        self._sources = {name: as_signed(source) for name, source in sources.items() if source is not None}
        self._count, self._indices = count, indices
        self._staged = {
            name: torch.empty((count, *source.shape[1:]), dtype=source.dtype, device=device)
            for name, source in self._sources.items()
        }
        self.x, self.y, self.c = self._staged["x"], self._staged.get("y"), self._staged.get("c")
        self.seconds_waited = 0.0
        self._copy_stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._buffers = [_Buffer.like(self._staged) for _ in range(STEPS_AHEAD)]
        self._pool = ThreadPoolExecutor(threads, "ganctl-prefetch")
        self._pending: collections.deque[tuple[_Buffer, Future[None]]] = collections.deque()
        self._next_position = -1  # position of the first pending image

    def stage(self, position: int) -> None:
        """Copy the images at ``position`` to :attr:`x`, :attr:`y` and :attr:`c` for the device's next operations."""
        if position != self._next_position:
            self._restart(position)
        buffer, pending = self._pending.popleft()
        began = time.perf_counter()
        pending.result()
        self.seconds_waited += time.perf_counter() - began
        if buffer.copied is not None:
            buffer.copied.wait()  # only the device's current stream waits, not the host
        for name, staged in self._staged.items():
            staged.copy_(buffer.on_device[name], non_blocking=True)
        if buffer.used is not None:
            buffer.used.record()
        self._next_position = position + self._count
        self._submit(buffer, position + STEPS_AHEAD * self._count)

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(cancel_futures=True)

    def _restart(self, position: int) -> None:
        for _, pending in self._pending:
            pending.result()
        self._pending.clear()
        for number, buffer in enumerate(self._buffers):
            self._submit(buffer, position + number * self._count)

    def _submit(self, buffer: _Buffer, position: int) -> None:
        indices = self._indices(position)
        self._pending.append((buffer, self._pool.submit(self._gather, buffer, indices)))

    def _gather(self, buffer: _Buffer, indices: Tensor) -> None:
        """Gather images in a thread. torch releases the GIL while gathering."""
        if buffer.copied is not None:
            buffer.copied.synchronize()  # now the pinned memory can be reused
        for name, source in self._sources.items():
            torch.index_select(source, 0, indices, out=buffer.pinned[name])
        if self._copy_stream is not None and buffer.copied is not None and buffer.used is not None:
            with torch.cuda.stream(self._copy_stream):
                self._copy_stream.wait_event(buffer.used)
                for name, pinned in buffer.pinned.items():
                    buffer.on_device[name].copy_(pinned, non_blocking=True)
                buffer.copied.record()


@dataclass
class _Buffer:
    """The images for one step, in pinned memory and on the device. On a CPU, both are the same memory."""

    on_device: dict[str, Tensor]
    pinned: dict[str, Tensor]
    copied: torch.cuda.Event | None = None  # recorded after the images have been copied to the device
    used: torch.cuda.Event | None = None  # recorded when the device no longer needs the images

    @classmethod
    def like(cls, tensors: dict[str, Tensor]) -> _Buffer:
        on_device = {name: torch.empty_like(tensor) for name, tensor in tensors.items()}
        device = tensors["x"].device.type
        if device == "cpu":
            return cls(on_device, on_device)
        cuda = device == "cuda"
        return cls(
            on_device,
            {name: torch.empty(t.shape, dtype=t.dtype, pin_memory=cuda) for name, t in tensors.items()},
            torch.cuda.Event() if cuda else None,
            torch.cuda.Event() if cuda else None,
        )


def disk_reading_threads() -> int:
    """Return the number of threads for reading from disk. Because threads mostly wait, it exceeds the CPU count."""
    return min(16, 2 * usable_processors())
