"""The samples of all runs at several epochs, encoded so that they fit into one file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganctl.errors import USAGE, GanctlError
from ganctl.image_files import read_image
from ganctl.rendering import split_grid
from ganctl.rendering.split_grid import Layout
from ganctl.runs.read_run import Frame, History
from ganctl.system.processors import usable_processors

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_EPOCHS = 24
MAX_WIDTH = 640  # pixels of a grid; fewer images are shown if the images are larger
GRAYS = 16  # shades of gray; the error is hardly visible and the file is half as large
QUALITY = 80  # quality of color images in WebP
#: Pairs of (columns of each grid, number of epochs), which are tried in order until the samples fit. None: all columns.
PLANS = ((None, MAX_EPOCHS), (None, 16), (None, 12), (6, 12), (5, 12), (4, 12), (4, 8), (3, 6))


@dataclass(frozen=True)
class SampleSeries:
    """The sample grids of one run at the epochs of a report.

    Attributes:
        images: encoded grids, in order.
        positions: for each epoch of the report, the index in ``images``, or −1 before the first grid.
        frames: for each image, the frame that it shows.
        distinct: for each grid, the number of distinct images and of all images, or None if unknown.
        blank: for each grid, True if each of its images has nearly uniform color.
        contrast: for each grid, the contrast relative to real images, or None if unknown.
        real: the encoded grid of real images, or None.
    """

    images: list[bytes]
    positions: list[int]
    frames: list[Frame]
    distinct: list[tuple[int, int] | None]
    blank: list[bool]
    contrast: list[float | None]
    real: bytes | None


@dataclass(frozen=True)
class Timeline:
    """The epochs of a report, the series of each run, and sentences about omitted epochs and images."""

    epochs: list[float]
    series: list[SampleSeries]
    left_out: list[str]


def collect(
    histories: Sequence[History], *, epochs: Sequence[float] = (), megabytes: float = 8.0
) -> Timeline:
    """Choose epochs and sizes such that the total size of all samples is at most about ``megabytes``.

    Args:
        epochs: epochs to show. By default, all epochs with samples, or as many as fit.

    Raises:
        GanctlError: no run has samples of one of ``epochs``.
    """
    available = sorted({frame.epoch for h in histories for frame in h.frames})
    given = _with_samples(epochs, available)
    size: dict[int | None, int] = {}  # bytes per epoch, by number of columns
    for columns, count in PLANS:
        chosen = given or subsample(available, count)
        if columns not in size:
            size[columns] = sum(_bytes_per_epoch(h, columns) for h in histories)
        if size[columns] * len(chosen) <= megabytes * 1e6:
            break
    left_out = []
    if not epochs and len(chosen) < len(available):
        left_out.append(f"{len(chosen)} of {len(available)} epochs are shown")
    with ThreadPoolExecutor(usable_processors()) as threads:
        series = list(threads.map(lambda h: _series(h, chosen, columns), histories))
    shown, total = _count_shown(histories, columns)
    if shown < total:
        left_out.append(f"{shown} of {total} images of each sample grid are shown")
    return Timeline(chosen, series, left_out)


def _with_samples(epochs: Sequence[float], available: Sequence[float]) -> list[float]:
    """Return the epochs in ``available`` that match ``epochs``, which may be rounded to two decimals."""
    found = set()
    for epoch in epochs:
        near = [each for each in available if abs(each - epoch) < 0.00501]
        if not near:
            known = ", ".join(f"{round(each, 2):g}" for each in subsample(available, 30))
            raise GanctlError(
                f"There are no samples of epoch {epoch:g}.",
                f"Choose from the epochs with samples: {known}."
                if known
                else "The runs have no samples yet.",
                status=USAGE,
            )
        found.update(near)
    return sorted(found)


def subsample(values: Sequence[float], count: int) -> list[float]:
    """Return at most ``count`` of ``values``, including the first and last. Early values are denser."""
    if len(values) <= count:
        return list(values)
    chosen: list[int] = []
    for i in range(count):
        index = round((i / (count - 1)) ** 1.5 * (len(values) - 1)) if count > 1 else len(values) - 1
        chosen.append(max(index, chosen[-1] + 1) if chosen else index)
    return [values[i] for i in chosen]


def latest_frame(frames: Sequence[Frame], epoch: float) -> int:
    """Return the index of the last of ``frames`` at or before ``epoch``, or −1."""
    return max((i for i, frame in enumerate(frames) if frame.epoch <= epoch + 1e-6), default=-1)


def crop(image: Image, layout: Layout | None, columns: int | None) -> Image:
    """Return the first images of a grid: at most ``columns`` rows and columns, no wider than MAX_WIDTH."""
    if layout is not None:
        fitting = max(2, (MAX_WIDTH - split_grid.PADDING) // (layout.width + split_grid.PADDING))
        across = min(layout.columns, columns or layout.columns, fitting)
        down = min(layout.rows, max(across, min(columns or layout.rows, fitting)))
        image = image.crop((0, 0, *layout.size(across, down)))
    if image.width > MAX_WIDTH:
        from PIL import Image as Images

        height = round(image.height * MAX_WIDTH / image.width)
        image = image.resize((MAX_WIDTH, height), Images.Resampling.LANCZOS)
    return image


def encode(image: Image) -> bytes:
    """Encode an image as WebP, or as PNG if Pillow was built without WebP."""
    from PIL import features

    buffer = io.BytesIO()
    if image.mode == "L":
        step = 255 / (GRAYS - 1)
        image = image.point([round(round(v / step) * step) for v in range(256)])
    if not features.check("webp"):
        (image if image.mode == "L" else image.quantize(64)).save(buffer, "PNG", optimize=True)
    elif image.mode == "L":
        image.save(buffer, "WEBP", lossless=True, method=1)
    else:
        image.save(buffer, "WEBP", quality=QUALITY)
    return buffer.getvalue()


def decode(data: bytes) -> Image:
    """Decode an image that :func:`encode` encoded."""
    return read_image(io.BytesIO(data))


def sample_layout(history: History, image: Image) -> Layout | None:
    """Return the layout of a run's sample grid, which the run's ``status.json`` records."""
    return split_grid.layout_of(image, history.status.image, history.status.grid)


def _series(history: History, epochs: Sequence[float], columns: int | None) -> SampleSeries:
    real = open_image(history.real)
    reals, small = None, None
    if real is not None:
        layout = split_grid.layout_of(real, history.status.image)
        small = encode(crop(real, layout, columns))
        if layout is not None:
            reals = _split(real, layout)
    series = SampleSeries([], [], [], [], [], [], small)
    index: dict[int, int] = {-1: -1}
    for i in (latest_frame(history.frames, epoch) for epoch in epochs):
        if i not in index:
            index[i] = len(series.images) - 1  # a damaged image is replaced by the previous image
            frame = history.frames[i]
            image = _open(frame)
            if image is not None:
                layout = sample_layout(history, image)
                distinct, blank, contrast = _examine(image, layout, reals)
                index[i] = len(series.images)
                series.images.append(encode(crop(image, layout, columns)))
                series.frames.append(frame)
                series.distinct.append(distinct)
                series.blank.append(blank)
                series.contrast.append(contrast)
        series.positions.append(index[i])
    return series


def _examine(
    grid: Image, layout: Layout | None, reals: split_grid.Array | None
) -> tuple[tuple[int, int] | None, bool, float | None]:
    """Return the number of distinct images and of all images in ``grid``, whether they are blank, and the contrast."""
    if layout is None or layout.rows * layout.columns < 4:
        return None, False, None
    images = _split(grid, layout)[: split_grid.MAX_COMPARED]
    distinct, contrast = None, None
    if reals is not None and reals.shape[1:] == images.shape[1:]:
        distinct = split_grid.count_distinct(images, reals), len(images)
        contrast = split_grid.contrast(images) / max(split_grid.contrast(reals), 1e-6)
    return distinct, split_grid.are_blank(images), contrast


def _split(grid: Image, layout: Layout) -> split_grid.Array:
    images = split_grid.split(grid, layout)
    return images.reshape(-1, *images.shape[2:])


def open_image(path: Path | None) -> Image | None:
    """Open an image file, or return None if there is none or it is damaged."""
    return _open(Frame(0, 0.0, path)) if path else None


def _open(frame: Frame) -> Image | None:
    try:
        return frame.open()
    except OSError:  # for example, truncated because the disk was full
        return None


def _newest(history: History) -> Image | None:
    return _open(history.frames[-1]) if history.frames else None


def _bytes_per_epoch(history: History, columns: int | None) -> int:
    """Return the base64 size of the newest sample grid, which has the most detail and takes the most space."""
    image = _newest(history)
    if image is None:
        return 0
    return len(encode(crop(image, sample_layout(history, image), columns))) * 4 // 3


def _count_shown(histories: Sequence[History], columns: int | None) -> tuple[int, int]:
    """Return how many images of a sample grid are shown, and how many it contains, in the first run with samples."""
    for history in histories:
        image = _newest(history)
        layout = sample_layout(history, image) if image else None
        if image is not None and layout is not None:
            small = crop(image, layout, columns)
            total = layout.columns * layout.rows
            padded = (layout.width + split_grid.PADDING, layout.height + split_grid.PADDING)
            return min(total, (small.width // padded[0]) * (small.height // padded[1])), total
    return 0, 0
