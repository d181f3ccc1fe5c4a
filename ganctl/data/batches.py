"""Endless batches of a dataset, in an order that depends only on the seed and the position."""

from __future__ import annotations

import functools
import hashlib
from functools import partial

import torch
from torch import Tensor

from ganctl.data.pixels import PixelFormat, as_signed
from ganctl.data.prefetch import Placement, Prefetcher, choose_placement, disk_reading_threads
from ganctl.dataset import Images
from ganctl.loss import Batch


class Batches:
    """Endless batches in an order that depends only on the seed and the position.

    The order of epoch ``e`` is a permutation drawn from (seed, ``e``). If an epoch ends within a batch, the batch
    continues with images from the next epoch. Every image is therefore used once per epoch, and all batches have the
    same size.

    :meth:`prepare` runs on the host before a step. :meth:`draw` runs on the device and can be captured in a graph,
    because it reads its position from a tensor and advances that tensor.

    Args:
        images: the dataset.
        batch_size: number of images per batch.
        seed: random seed for the permutations.
        device: device used for training.
        per_step: number of images per step, if a step uses several batches.
        placement: location in which to store the images. If None, the location depends on the free memory.
    """

    def __init__(
        self,
        images: Images,
        batch_size: int,
        *,
        seed: int,
        device: torch.device,
        per_step: int | None = None,
        placement: Placement | None = None,
    ) -> None:
        self.batch_size, self.seed, self.device = batch_size, seed, device
        self.n, self.flip = len(images.x), images.flip
        self.pixels = PixelFormat.of(images)
        size = images.x.nbytes + (0 if images.c is None else images.c.nbytes)
        self.placement = placement or choose_placement(size, device)
        self.prefetcher: Prefetcher | None = None
        if self.placement.location == "device":
            self.x = as_signed(images.x).to(device)
            self.y = None if images.y is None else images.y.to(device)
            self.c = None if images.c is None else as_signed(images.c).to(device)
        else:
            count = per_step or batch_size
            threads = 2 if self.placement.location == "host" else disk_reading_threads()
            self.prefetcher = Prefetcher(
                images, count, partial(self._indices, count), device, threads=threads
            )
            self.x, self.y, self.c = self.prefetcher.x, self.prefetcher.y, self.prefetcher.c
        self._c_dtype = torch.float32 if images.c is None else images.c.dtype
        self.position = 0  # position of the first prepared image
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64, device=device)
        self._cursor = torch.zeros((), dtype=torch.int64, device=device)
        self._expected_cursor = 0  # value of the cursor after the device has drawn all prepared images
        self._offsets = torch.arange(batch_size, device=device)

    def prepare(self, position: int, count: int) -> None:
        """Prepare ``count`` images, starting at ``position``, for :meth:`draw`."""
        epoch, start = divmod(position, self.n)
        if self.prefetcher is not None:
            self.prefetcher.stage(position)
            epoch, start = 0, 0  # staged images are already in order
            if len(self._order) < count:
                self._order = torch.arange(count, device=self.device)
        elif epoch != self._epoch or len(self._order) < self.n + count:
            self._write_order(epoch, self.n + count)
        if start != self._expected_cursor:
            self._cursor.fill_(start)
        self._expected_cursor = start + count
        self.position = position

    def draw(self) -> Batch:
        """Return the next ``batch_size`` prepared images on the device: ``x`` (float32 in [−1, 1]), ``y`` and ``c``."""
        chosen = self._order.index_select(0, self._cursor + self._offsets)
        self._cursor += self.batch_size
        x = self.x.index_select(0, chosen)
        y = None if self.y is None else self.y.index_select(0, chosen)
        c = None if self.c is None else self.c.index_select(0, chosen).view(self._c_dtype)
        x = self.pixels.scaled(x)
        if self.flip:
            mirrored = torch.rand(len(x), 1, 1, 1, device=self.device) < 0.5
            x = torch.where(mirrored, x.flip(3), x)
        return Batch(x, y, c=c)

    def next(self) -> Batch:
        """Prepare and draw one batch."""
        self.prepare(self.position, self.batch_size)
        self.position += self.batch_size
        return self.draw()

    def close(self) -> None:
        """Stop reading images ahead."""
        if self.prefetcher is not None:
            self.prefetcher.close()

    def _write_order(self, epoch: int, length: int) -> None:
        """Write the order of ``epoch`` and of the following images to the buffer that :meth:`draw` reads."""
        order = self._indices(length, epoch * self.n)
        if len(self._order) != length:
            self._order = torch.empty(length, dtype=torch.int64, device=self.device)
        if self.device.type == "cuda":
            order = order.pin_memory()  # makes the copy asynchronous
        self._order.copy_(order, non_blocking=True)
        self._epoch = epoch

    def _indices(self, count: int, position: int) -> Tensor:
        """Return the indices of ``count`` images, starting at ``position``, as int64 on the CPU."""
        epoch, start = divmod(position, self.n)
        parts = [self._permutation(epoch)[start : start + count]]
        while (missing := count - sum(map(len, parts))) > 0:  # the step spans epochs
            epoch += 1
            parts.append(self._permutation(epoch)[:missing])
        return torch.cat(parts)

    def _permutation(self, epoch: int) -> Tensor:
        return _permutation(self.n, self.seed, epoch)


@functools.lru_cache(maxsize=2)
def _permutation(n: int, seed: int, epoch: int) -> Tensor:
    # Draw on the CPU, so that the order is the same on every device. torch's CPU generator uses only
    # 32 bits of the seed, so (seed, epoch) is hashed.
    digest = hashlib.sha256(f"{seed} {epoch}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:4], "big"))
    return torch.randperm(n, generator=generator)
