"""Images as one uint8 tensor, and the endless batches that training draws from it."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ganctl.feed import Feed, Place, choose_place, reading_threads
from ganctl.loss import Batch
from ganctl.recipe import ImageShape

if TYPE_CHECKING:
    from PIL.Image import Image


class Images(NamedTuple):
    """A decoded dataset: ``x`` uint8 N×C×H×W, ``y`` int64 N (None without labels), ``classes`` named in order.

    ``flip``: whether training mirrors half of them, left to right.
    """

    x: Tensor
    y: Tensor | None = None
    classes: tuple[str, ...] = ()
    flip: bool = False

    @property
    def shape(self) -> ImageShape:
        return ImageShape(*self.x.shape[1:])


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Picture files still to be decoded; ganctl does so in parallel, once, and caches the result.

    ``open(name)`` returns one of ``names`` as a PIL image, or raises, and must be picklable (a module-level
    function, a :func:`functools.partial` of one, or an instance of a module-level class): it runs in worker
    processes. Turning by EXIF, alpha, bit depth, cropping and resizing are ganctl's work, not its. ``labels``
    (one int per name) may be None. ``channels`` is 1 or 3, or None: 3 unless every picture is grey. ``notes``
    are lines to tell the user, such as which files were passed over.
    """

    names: Sequence[str]
    open: Callable[[str], Image]
    labels: Sequence[int] | None = None
    classes: tuple[str, ...] = ()
    channels: int | None = None
    notes: Sequence[str] = ()


class Dataset:
    """What a dataset factory returns when reading is worth caching. (Otherwise it returns :class:`Images`.)"""

    #: Whether training mirrors half of the images, left to right. What is cached does not depend on it.
    flip: bool = False

    def fingerprint(self) -> str:
        """Text that changes whenever :meth:`read` would return something else; cheap (file sizes and times)."""
        raise NotImplementedError(f"{type(self).__name__} has no fingerprint")

    def identity(self) -> str:
        """Text that says which data this is, whatever state it is in: its path and options.

        When the fingerprint has changed, the cache drops what it had of the same identity. By default the
        fingerprint itself: nothing is dropped.
        """
        return self.fingerprint()

    def read(self) -> Images | Pictures:
        """The expensive part; called when the cache has nothing for this fingerprint.

        Raises:
            GanctlError: with status ``DATA``: what is missing, where it was looked for, what to do.
        """
        raise NotImplementedError(f"{type(self).__name__} has no read")


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
