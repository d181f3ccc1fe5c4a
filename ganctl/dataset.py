"""Datasets for plugins: decoded :class:`Images`, :class:`ImageFiles` to decode, and :class:`Dataset`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from ganctl.recipe import ImageShape

if TYPE_CHECKING:
    from PIL.Image import Image


class Images(NamedTuple):
    """A dataset of decoded images.

    Attributes:
        x: images, uint8, uint16 or float32, N×C×H×W with any number of channels C.
        y: labels, int64 N, −1 for an image without a label; None without labels.
        classes: names of the classes, in the order of their labels.
        flip: mirror half of the images left to right during training.
        c: conditions, N×…, of any real dtype that NumPy has, finite; None without conditions. ``flip`` does not mirror
            them, and ``--image-size`` does not resize them.
        range: the values of ``x`` that become −1 and 1 in the networks, as (low, high). All values are in this range.
            None: the full range of the integer dtype. float32 needs a range.
    """

    x: Tensor
    y: Tensor | None = None
    classes: tuple[str, ...] = ()
    flip: bool = False
    c: Tensor | None = None
    range: tuple[float, float] | None = None

    @property
    def shape(self) -> ImageShape:
        return ImageShape(*self.x.shape[1:])


@dataclass(frozen=True, kw_only=True)
class ImageFiles:
    """A dataset of image files, which ganctl decodes in parallel and caches.

    ganctl rotates each image according to its EXIF data, converts transparency and bit depth, and crops and resizes
    the image. ``open`` must not do any of this.

    Attributes:
        names: one name per image.
        open: function of a name that returns a PIL image or raises an exception. It runs in worker processes and must
            therefore be picklable: a module-level function, a :func:`functools.partial` of such a function, or an
            instance of a module-level class.
        labels: one label per name, −1 for an image without a label; None without labels.
        classes: names of the classes, in the order of their labels.
        channels: 1 or 3; None: 1 if every image is gray, otherwise 3.
        notes: messages for the user, for example about files that were skipped.
        conditions: one condition per name, a tensor or array N×…; None without conditions. Conditions of images that
            cannot be decoded are omitted.
    """

    names: Sequence[str]
    open: Callable[[str], Image]
    labels: Sequence[int] | None = None
    classes: tuple[str, ...] = ()
    channels: int | None = None
    notes: Sequence[str] = ()
    conditions: Any = None


class Dataset:
    """Base class of datasets that are cached. A dataset factory returns a Dataset, or :class:`Images` directly."""

    #: Mirror half of the images left to right during training. The cache does not depend on this value.
    flip: bool = False

    def fingerprint(self) -> str:
        """Return text that changes whenever the result of :meth:`read` changes.

        It must be cheap to compute, for example from the sizes and times of all files and the content of a few files.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define fingerprint")

    def identity(self) -> str:
        """Return text that identifies the data independently of its state: the path and the options.

        If the fingerprint has changed, the cache removes the old entry with the same identity. The default is the
        fingerprint, so that no entry is removed.
        """
        return self.fingerprint()

    def read(self) -> Images | ImageFiles:
        """Read the data. This may be slow: it is called only if the cache has no entry for the fingerprint.

        Raises:
            GanctlError: the data is missing or damaged; the status is ``DATA``. The message names the file and its
                folder.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define read")
