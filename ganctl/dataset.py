"""Datasets: decoded :class:`Images`, files still to be decoded, and the :class:`Dataset` that returns either."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

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
class ImageFiles:
    """Picture files still to be decoded; ganctl does so in parallel, once, and caches the result.

    ``open(name)`` returns one of ``names`` as a PIL image, or raises, and must be picklable (a module-level
    function, a :func:`functools.partial` of one, or an instance of a module-level class): it runs in worker
    processes. Turning by EXIF, alpha, bit depth, cropping and resizing are ganctl's work, not its. ``labels``
    (one int per name) may be None. ``channels`` is 1 or 3, or None: 3 unless every picture is gray. ``notes``
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

    def read(self) -> Images | ImageFiles:
        """The expensive part; called when the cache has nothing for this fingerprint.

        Raises:
            GanctlError: with status ``DATA``: what is missing, where it was looked for, what to do.
        """
        raise NotImplementedError(f"{type(self).__name__} has no read")
