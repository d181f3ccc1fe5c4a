"""The sample pictures of all runs over the epochs, small enough to be in one file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganctl.rendering import grid_images
from ganctl.runs.history import Frame, History
from ganctl.system.processors import usable_processors

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_STOPS = 24
WIDEST = 640  # pixels of a grid; of larger pictures fewer are shown
GRAYS = 16  # as many shades of gray as are kept: an eye hardly sees it, and the file halves
QUALITY = 80  # of colors in WebP


@dataclass(frozen=True)
class Film:
    """The pictures of one run.

    Attributes:
        images: encoded, each once. ``at``: stop → which of them, and −1 before the first. ``frames``: what they are.
        kinds: of each, how many different pictures it shows of how many; None if that is not known.
        blank: of each, whether there is nothing to see.
    """

    images: list[bytes]
    at: list[int]
    frames: list[Frame]
    kinds: list[tuple[int, int] | None]
    blank: list[bool]
    real: bytes | None


@dataclass(frozen=True)
class Films:
    """The films of all runs, their common stops (epochs), and what was left out, in words."""

    stops: list[float]
    films: list[Film]
    left_out: list[str]


def make(histories: Sequence[History], *, epochs: Sequence[float] = (), megabytes: float = 8.0) -> Films:
    """Choose stops and size so that all pictures together take at most about ``megabytes``.

    Args:
        epochs: the stops; unless given, all epochs with a picture, thinned.
    """
    every = sorted({frame.epoch for h in histories for frame in h.frames})
    plans = [(None, MOST_STOPS), (None, 16), (None, 12), (6, 12), (5, 12), (4, 12), (4, 8), (3, 6)]
    size: dict[int | None, int] = {}  # of one stop, by columns
    for columns, count in plans:
        stops = sorted(epochs) if epochs else thin(every, count)
        if columns not in size:
            size[columns] = sum(_size(h, columns) for h in histories)
        if size[columns] * len(stops) <= megabytes * 1e6:
            break
    left_out = []
    if len(stops) < len(every):
        left_out.append(f"{len(stops)} of {len(every)} epochs are shown")
    with ThreadPoolExecutor(usable_processors()) as threads:
        films = list(threads.map(lambda h: _film(h, stops, columns), histories))
    shown, all_of_them = _pictures_shown(histories, columns)
    if shown < all_of_them:
        left_out.append(f"{shown} of {all_of_them} pictures of a sample are shown")
    return Films(stops, films, left_out)


def thin(values: Sequence[float], most: int) -> list[float]:
    """At most ``most`` of ``values``, first and last among them, closer together at the beginning."""
    if len(values) <= most:
        return list(values)
    chosen: list[int] = []
    for i in range(most):
        place = round((i / (most - 1)) ** 1.5 * (len(values) - 1)) if most > 1 else len(values) - 1
        chosen.append(max(place, chosen[-1] + 1) if chosen else place)
    return [values[i] for i in chosen]


def frame_at(frames: Sequence[Frame], epoch: float) -> int:
    """The newest of ``frames`` that was there at ``epoch``; −1: there was none yet."""
    return max((i for i, frame in enumerate(frames) if frame.epoch <= epoch + 1e-6), default=-1)


def crop(image: Image, at: grid_images.Layout | None, columns: int | None) -> Image:
    """The first pictures of a grid, at most ``columns`` a row and as many rows; never wider than WIDEST."""
    if at is not None:
        fit = max(2, (WIDEST - grid_images.PADDING) // (at.width + grid_images.PADDING))
        wanted = min(at.columns, columns or at.columns, fit)
        rows = min(at.rows, max(wanted, min(columns or at.rows, fit)))
        image = image.crop((0, 0, *at.size(wanted, rows)))
    if image.width > WIDEST:
        from PIL import Image as Images

        height = round(image.height * WIDEST / image.width)
        image = image.resize((WIDEST, height), Images.Resampling.LANCZOS)
    return image


def encode(image: Image) -> bytes:
    """As a small picture that every browser shows: WebP, or PNG where Pillow was built without it."""
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


def _film(history: History, stops: Sequence[float], columns: int | None) -> Film:
    wanted = [frame_at(history.frames, stop) for stop in stops]
    real = _real(history)
    samples = _samples(history)
    of_reals, small = None, None
    if real is not None:
        at = grid_images.layout(real, samples)
        small = encode(crop(real, at, columns))
        if at is not None:
            cut = grid_images.cut(real, at)
            of_reals = cut.reshape(-1, *cut.shape[2:])
    film = Film([], [], [], [], [], small)
    index: dict[int, int] = {-1: -1}
    layout: grid_images.Layout | None = None
    for i in wanted:
        if i not in index:
            index[i] = len(film.images) - 1  # the one before, should this one not be readable
            try:
                image = history.frames[i].open()
            except OSError:  # cut short by a full disk, say
                image = None
            if image is not None:
                # One layout for the whole film: on a collapsed or empty picture the lines between cannot be told.
                layout = layout or _layout(history, samples) or grid_images.layout(image, samples)
                index[i] = len(film.images)
                film.images.append(encode(crop(image, layout, columns)))
                film.frames.append(history.frames[i])
                kinds, blank = _judged(image, layout, of_reals)
                film.kinds.append(kinds)
                film.blank.append(blank)
        film.at.append(index[i])
    return film


def _layout(history: History, samples: int) -> grid_images.Layout | None:
    """That of the newest picture, which has the most to show."""
    try:
        return grid_images.layout(history.frames[-1].open(), samples)
    except OSError:
        return None


def _judged(
    image: Image, layout: grid_images.Layout | None, reals: grid_images.Array | None
) -> tuple[tuple[int, int] | None, bool]:
    """How many different pictures of how many ``image`` shows, if that can be told, and whether it is blank."""
    if layout is None or layout.rows * layout.columns < 4:
        return None, False
    singles = grid_images.cut(image, layout)
    pictures = singles.reshape(-1, *singles.shape[2:])[: grid_images.MOST]
    kinds = None
    if reals is not None and reals.shape[1:] == pictures.shape[1:]:
        kinds = grid_images.kinds(pictures, reals), len(pictures)
    return kinds, grid_images.blank(pictures)


def _samples(history: History) -> int:
    samples = history.config.get("samples")
    return samples if isinstance(samples, int) else 64


def _real(history: History) -> Image | None:
    try:
        return Frame(0, 0.0, history.real).open() if history.real else None
    except OSError:
        return None


def _size(history: History, columns: int | None) -> int:
    """Bytes of its last picture, which has the most to show."""
    try:
        image = history.frames[-1].open() if history.frames else None
    except OSError:
        image = None
    if image is None:
        return 0
    return (
        len(encode(crop(image, grid_images.layout(image, _samples(history)), columns))) * 4 // 3
    )  # as base64


def _pictures_shown(histories: Sequence[History], columns: int | None) -> tuple[int, int]:
    for history in histories:
        if history.frames:
            try:
                image = history.frames[-1].open()
            except OSError:
                continue
            at = grid_images.layout(image, _samples(history))
            if at is not None:
                small = crop(image, at, columns)
                whole = at.columns * at.rows
                return min(whole, (small.width // (at.width + 2)) * (small.height // (at.height + 2))), whole
    return 0, 0


def decode(data: bytes) -> Image:
    """An encoded picture."""
    from PIL import Image

    return Image.open(io.BytesIO(data))
