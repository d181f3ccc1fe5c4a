"""Images as one uint8 tensor, and the endless batches that training draws from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from ganctl.model import ImageShape

if TYPE_CHECKING:
    from PIL.Image import Image


class Images(NamedTuple):
    """A decoded dataset: ``x`` uint8 N×C×H×W, ``y`` int64 N (None without labels), ``classes`` named in order."""

    x: Tensor
    y: Tensor | None = None
    classes: tuple[str, ...] = ()

    @property
    def shape(self) -> ImageShape:
        return ImageShape(*self.x.shape[1:])


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Picture files still to be decoded; ganctl does so in parallel, once, and caches the result.

    ``open(name)`` returns one of ``names`` as a PIL image, or raises, and must be picklable (a module-level
    function, a :func:`functools.partial` of one, or an instance of a module-level class): it runs in worker
    processes. Turning by EXIF, alpha, bit depth, cropping and resizing are ganctl's work, not its. ``labels``
    (one int per name) may be None. ``channels`` is 1 or 3, or None: 3 unless every picture is grey.
    """

    names: Sequence[str]
    open: Callable[[str], Image]
    labels: Sequence[int] | None = None
    classes: tuple[str, ...] = ()
    channels: int | None = None


class Dataset:
    """What a dataset factory returns when reading is worth caching. (Otherwise it returns :class:`Images`.)"""

    def fingerprint(self) -> str:
        """Text that changes whenever :meth:`read` would return something else; cheap (file sizes and times)."""
        raise NotImplementedError(f"{type(self).__name__} has no fingerprint")

    def read(self) -> Images | Pictures:
        """The expensive part; called when the cache has nothing for this fingerprint.

        Raises:
            GanctlError: with status ``DATA``: what is missing, where it was looked for, what to do.
        """
        raise NotImplementedError(f"{type(self).__name__} has no read")
