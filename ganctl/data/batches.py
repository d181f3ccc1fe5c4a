"""Endless batches of a dataset, in an order that depends only on the seed and the position."""

from __future__ import annotations

import functools
import hashlib
from functools import partial

import torch
from torch import Tensor

from ganctl.data.prefetch import Feed, Place, choose_place, reading_threads
from ganctl.dataset import Images
from ganctl.loss import Batch


class Batches:
    """Endless batches in an order that depends on the seed and the position alone.

    The images of epoch ``e`` come in a permutation drawn from (seed, ``e``); where an epoch ends inside a
    batch, the next one's images fill it, so every image is seen once an epoch and all batches are alike.

    The host's part, :meth:`prepare`, comes before a step; :meth:`draw`, the device's, may be captured: it reads
    where it is from a tensor and counts on there.
    """

    def __init__(
        self,
        images: Images,
        batch_size: int,
        *,
        seed: int,
        device: torch.device,
        per_step: int | None = None,
        place: Place | None = None,
    ) -> None:
        """``per_step``: images of a step, if it has several batches; ``place``: where the images are kept."""
        self.batch_size, self.seed, self.device = batch_size, seed, device
        self.n, self.flip = len(images.x), images.flip
        self.place = place or choose_place(images.x.nbytes, device)
        self.feed: Feed | None = None
        if self.place.where == "device":
            self.x = images.x.to(device)
            self.y = None if images.y is None else images.y.to(device)
        else:
            count = per_step or batch_size
            threads = 2 if self.place.where == "host" else reading_threads()
            self.feed = Feed(
                images.x, images.y, count, partial(self._indices, count), device, threads=threads
            )
            self.x, self.y = self.feed.x, self.feed.y
        self.position = 0  # of the first image that is prepared
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64, device=device)
        self._cursor = torch.zeros((), dtype=torch.int64, device=device)
        self._cursor_at = 0  # what the device's cursor is when all is done that it was given
        self._lanes = torch.arange(batch_size, device=device)

    def prepare(self, position: int, count: int) -> None:
        """Make the ``count`` images from ``position`` on ready to be drawn."""
        epoch, start = divmod(position, self.n)
        if self.feed is not None:
            self.feed.stage(position)
            epoch, start = 0, 0  # what is staged is in order
            if len(self._order) < count:
                self._order = torch.arange(count, device=self.device)
        elif epoch != self._epoch or len(self._order) < self.n + count:
            self._refill(epoch, self.n + count)
        if start != self._cursor_at:
            self._cursor.fill_(start)
        self._cursor_at = start + count
        self.position = position

    def draw(self) -> Batch:
        """The next ``batch_size`` prepared images: ``x`` float32 in [−1, 1] and ``y``, both on the device."""
        chosen = self._order.index_select(0, self._cursor + self._lanes)
        self._cursor += self.batch_size
        x = self.x.index_select(0, chosen)
        y = None if self.y is None else self.y.index_select(0, chosen)
        x = x.float().div_(127.5).sub_(1)
        if self.flip:
            mirrored = torch.rand(len(x), 1, 1, 1, device=self.device) < 0.5
            x = torch.where(mirrored, x.flip(3), x)
        return Batch(x, y)

    def next(self) -> Batch:
        """Prepare one batch and draw it."""
        self.prepare(self.position, self.batch_size)
        self.position += self.batch_size
        return self.draw()

    def close(self) -> None:
        """Stop what fetches images ahead."""
        if self.feed is not None:
            self.feed.close()

    def _refill(self, epoch: int, length: int) -> None:
        """Write the order of ``epoch``, and of what follows, into the buffer that steps read it from."""
        order = self._indices(length, epoch * self.n)
        if len(self._order) != length:
            self._order = torch.empty(length, dtype=torch.int64, device=self.device)
        if self.device.type == "cuda":
            order = order.pin_memory()  # so that the copy waits for nothing
        self._order.copy_(order, non_blocking=True)
        self._epoch = epoch

    def _indices(self, count: int, position: int) -> Tensor:
        """Which images come from ``position`` on: int64 ``count``, on the CPU."""
        epoch, start = divmod(position, self.n)
        parts = [self._permutation(epoch)[start : start + count]]
        while (missing := count - sum(map(len, parts))) > 0:  # the step that spans epochs
            epoch += 1
            parts.append(self._permutation(epoch)[:missing])
        return torch.cat(parts)

    def _permutation(self, epoch: int) -> Tensor:
        return _permutation(self.n, self.seed, epoch)


@functools.lru_cache(maxsize=2)
def _permutation(n: int, seed: int, epoch: int) -> Tensor:
    # Drawn on the CPU: the same order on every device. Hashed, as torch uses 32 bits of a seed there.
    digest = hashlib.sha256(f"{seed} {epoch}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:4], "big"))
    return torch.randperm(n, generator=generator)
