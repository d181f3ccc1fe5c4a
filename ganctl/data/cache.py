"""Datasets decoded and resized once, and memory-mapped ever after.

An entry is named after the dataset's identity and the image size: ``mnist-own-1f3c….json`` says what it holds
and is written last, so that an entry without one does not exist; the pixels and labels beside it carry a
random word of their own, so that nothing is ever overwritten. A lock a name keeps two builders apart.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import filelock
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganctl.data import decode_pool
from ganctl.data.array_writer import Log, Store, sync
from ganctl.data.decoding import VERSION
from ganctl.dataset import Dataset, ImageFiles, Images
from ganctl.errors import DATA, FAILED, RESOURCES, USAGE, GanctlError

Progress = Callable[[str, int, int], None]

MIXED_SIZE = 64  # what pictures of several sizes are resized to unless told otherwise


class Loaded(NamedTuple):
    """A dataset ready to train on.

    ``images.x`` is memory-mapped where it could be cached. ``fingerprint`` is a hash of pixels and labels:
    equal exactly when they are, on whatever machine. ``skipped`` names each picture that could not be read,
    with the reason.
    """

    images: Images
    fingerprint: str
    skipped: list[str]


def cache_dir() -> Path:
    """``$GANCTL_CACHE``, else ``$XDG_CACHE_HOME/ganctl``, else ``~/.cache/ganctl``.

    Raises:
        GanctlError: none of them is set and there is no home directory.
    """
    if os.environ.get("GANCTL_CACHE"):
        return Path(os.environ["GANCTL_CACHE"]).expanduser()
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "ganctl"
    try:
        return Path.home() / ".cache" / "ganctl"
    except RuntimeError as error:
        raise GanctlError(
            "There is no home directory to keep decoded datasets in.",
            "Set GANCTL_CACHE to a folder for them.",
            status=RESOURCES,
        ) from error


def cache_size(folder: Path | None = None) -> int:
    """Bytes that cached datasets take."""
    total = 0
    for file in _datasets(folder).glob("*"):
        with contextlib.suppress(OSError):
            total += file.stat().st_size
    return total


def load_images(
    name: str,
    dataset: Dataset | Images,
    *,
    image_size: int | None,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
) -> Loaded:
    """The images of ``dataset``, from the cache if it holds them, else read, decoded and put there.

    Args:
        name: what to call the dataset in messages.
        dataset: what the dataset's factory returned. :class:`ganctl.Images` are used as they are, uncached.
        image_size: height and width; the largest centered square is resized to it. None: the images' own size,
            and 64 if they have several.
        cache_dir: in place of :func:`cache_dir`.
        progress: called with a title, how many images are done, and of how many.
        log: called with lines worth telling the user.

    Raises:
        GanctlError: the data is missing or unreadable, or neither disk nor memory can hold it.
    """
    if image_size is not None and image_size < 1:
        raise GanctlError(
            f"The image size is {image_size}; it must be at least 1.", "Try --image-size 64.", status=USAGE
        )
    log = log or (lambda line: None)
    progress = progress or (lambda title, done, total: None)
    if isinstance(dataset, Images):
        _check(name, dataset)
        x = dataset.x if image_size is None else torch.cat(list(_resized(dataset.x, image_size)))
        images = dataset._replace(x=x)
        return Loaded(images, _hash(x.numpy(), images.y), [])

    entry = _Entry(_datasets(cache_dir), _stem(name, dataset, image_size), _source(dataset, image_size))
    loaded = entry.read()
    if loaded is None:
        with _locked(entry, name, log) as usable:
            loaded = entry.read() if usable else None
            if loaded is None:
                path = entry.new_path() if usable else None
                with Store(path, name, log) as store:
                    loaded = _build(name, dataset, image_size, store, progress)
                    entry.commit(loaded, store)
    for line in loaded.notes:
        log(line)
    return Loaded(loaded.images, loaded.fingerprint, loaded.skipped)


@dataclass
class _Content:
    """What an entry holds."""

    images: Images
    fingerprint: str
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Entry:
    folder: Path
    stem: str
    source: str  # what it must have been made from to be of use

    @property
    def marker(self) -> Path:
        return self.folder / f"{self.stem}.json"

    def read(self) -> _Content | None:
        """The entry, or None: there is none, it is of another source, or it is damaged."""
        try:
            meta = json.loads(self.marker.read_text(encoding="utf-8"))
            if meta["source"] != self.source:
                return None
            path = self.folder / meta["x"]
            if path.stat().st_size != meta["bytes"]:
                return None
            # Copy-on-write: the file cannot be changed through it, and torch does not warn.
            x = torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))
            y = None
            if meta["y"]:
                y = torch.from_numpy(np.load(self.folder / meta["y"], allow_pickle=False))
            if list(x.shape) != meta["shape"] or x.dtype != torch.uint8:
                return None
            if y is not None and (len(y) != len(x) or y.dtype != torch.int64):
                return None
            images = Images(x, y, tuple(meta["classes"]))
            return _Content(images, meta["fingerprint"], meta["skipped"], meta["notes"])
        except (OSError, ValueError, KeyError, TypeError, EOFError):
            return None

    def new_path(self) -> Path:
        """Where a builder may put pixels: no other uses that name."""
        return self.folder / f"{self.stem}.{secrets.token_hex(4)}.x.npy"

    def commit(self, content: _Content, store: Store) -> None:
        """Make the file that ``store`` wrote, if it did, the entry in place of what was there."""
        if store.path is None:
            return
        y = content.images.y
        y_path = store.path.with_suffix(".y.npy") if y is not None else None
        temporary = store.path.with_suffix(".json")
        meta = {
            "source": self.source,
            "x": store.path.name,
            "y": y_path and y_path.name,
            "shape": list(content.images.x.shape),
            "bytes": store.path.stat().st_size,
            "classes": content.images.classes,
            "fingerprint": content.fingerprint,
            "skipped": content.skipped,
            "notes": content.notes,
        }
        try:
            if y is not None and y_path:
                with open(y_path, "wb") as labels:
                    np.save(labels, y.numpy(), allow_pickle=False)
                    sync(labels)
            with open(temporary, "w", encoding="utf-8") as marker:
                json.dump(meta, marker, indent=1)
                sync(marker)
            os.replace(temporary, self.marker)
        except BaseException as error:
            for path in (y_path, temporary):
                if path:
                    path.unlink(missing_ok=True)
            if not isinstance(error, OSError):
                raise
            # The disk is full now; the pixels are on it, though, and stay mapped while they are used.
            store.log_unwritable(error)
            return
        store.keep()
        self.clean(keep={store.path.name, y_path.name if y_path else None})

    def clean(self, keep: set[str | None]) -> None:
        """Remove what earlier builders left, also those that were killed. Only under the lock."""
        for file in self.folder.glob(f"{self.stem}.*.*"):
            if file.name not in keep:
                with contextlib.suppress(OSError):  # Windows: another process has it mapped
                    file.unlink()


def _build(name: str, dataset: Dataset, image_size: int | None, store: Store, progress: Progress) -> _Content:
    data = dataset.read()
    if isinstance(data, Images):
        _check(name, data)
        store.start(len(data.x))
        done = 0
        progress(f"Preparing {name}", 0, len(data.x))
        for block in _resized(data.x, image_size):
            store.append(block.numpy())
            done += len(block)
            progress(f"Preparing {name}", done, len(data.x))
        return _content(store, data.y, data.classes)
    if not isinstance(data, ImageFiles):
        raise GanctlError(
            f"The dataset '{name}' read {type(data).__name__}, not ganctl.Images or ganctl.ImageFiles.",
            "That is an error of the plugin it comes from; see: ganctl list datasets",
        )
    notes = list(data.notes)
    decoded = _decode(name, data, image_size, store, progress)
    if decoded is None:
        notes.append(
            f"The pictures of '{name}' have different sizes: resized to {MIXED_SIZE}×{MIXED_SIZE}, centre "
            "cropped. --image-size chooses another size."
        )
        decoded = _decode(name, data, MIXED_SIZE, store, progress)
        assert decoded is not None
    kept, skipped = decoded
    if not kept:
        raise GanctlError(
            f"None of the {len(data.names):,} pictures of '{name}' could be read; {skipped[0]}"
            if skipped
            else f"The dataset '{name}' has no picture in it.",
            "Can another program open them?" if skipped else "",
            status=DATA,
        )
    if skipped:
        more = f"; and {len(skipped) - 5:,} more" if len(skipped) > 5 else ""
        notes.append(
            f"{len(skipped):,} of {len(data.names):,} pictures of '{name}' could not be read and are left "
            f"out: {'; '.join(skipped[:5])}{more}"
        )
    y = None
    if data.labels is not None:
        y = torch.as_tensor(np.asarray(data.labels, dtype=np.int64)[kept])
    return _content(store, y, data.classes, skipped, notes)


def _content(
    store: Store,
    y: Tensor | None,
    classes: Sequence[str],
    skipped: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> _Content:
    x = store.finish()
    images = Images(torch.from_numpy(x), y, tuple(classes))
    return _Content(images, _hash(x, y), list(skipped), list(notes))


def _decode(
    name: str, pictures: ImageFiles, size: int | None, store: Store, progress: Progress
) -> tuple[list[int], list[str]] | None:
    """Decode into ``store``; which names were readable, and what was wrong with the others.

    None when ``size`` is and the pictures differ in theirs.
    """
    names, labels = pictures.names, pictures.labels
    if labels is not None and len(labels) != len(names):
        raise GanctlError(f"The dataset '{name}' has {len(names)} pictures, but {len(labels)} labels.")
    kept: list[int] = []
    skipped: list[str] = []
    own: tuple[int, ...] | None = None
    store.start(len(names))
    title = f"Decoding {name}"
    progress(title, 0, len(names))
    with contextlib.closing(decode_pool.decode(pictures.open, names, size, pictures.channels)) as blocks:
        for start, block in blocks:
            skipped += [f"{_printable(names[start + i])}: {why}" for i, why in block.broken]
            if block.pixels is not None:
                own = own or block.pixels.shape[2:]
            if block.mixed or (block.pixels is not None and block.pixels.shape[2:] != own):
                return None
            if block.pixels is not None:
                kept += [start + i for i in block.kept]
                store.append(block.pixels)
            progress(title, start + len(block.kept) + len(block.broken), len(names))
    return kept, skipped


def _resized(x: Tensor, size: int | None) -> Iterator[Tensor]:
    """Blocks of ``x``, their largest centered square resized as Pillow's antialiased bicubic would."""
    for block in x.split(1024):
        if size is not None and tuple(block.shape[2:]) != (size, size):
            height, width = block.shape[2:]
            side = min(height, width)
            top, left = (height - side) // 2, (width - side) // 2
            block = block[:, :, top : top + side, left : left + side]
            if side != size:
                block = torch.nn.functional.interpolate(
                    block.float(), size=(size, size), mode="bicubic", antialias=True
                )
                block = block.round_().clamp_(0, 255).to(torch.uint8)
        yield block


def _check(name: str, images: Images) -> None:
    x, y = images.x, images.y
    wrong = ""
    if not isinstance(x, Tensor) or x.dtype != torch.uint8 or x.ndim != 4:
        kind = f"{x.dtype} {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        wrong = f"x is {kind}, not uint8 N×C×H×W"
    elif y is not None and (not isinstance(y, Tensor) or y.dtype != torch.int64 or y.shape != (len(x),)):
        wrong = f"y is not int64 of length {len(x)}"
    elif x.numel() == 0:
        raise GanctlError(f"The dataset '{name}' has no image in it.", status=DATA)
    if wrong:
        raise GanctlError(
            f"The dataset '{name}' cannot be used: {wrong}.",
            "That is an error of the plugin it comes from; see: ganctl list datasets",
            status=FAILED,
        )


@contextlib.contextmanager
def _locked(entry: _Entry, name: str, log: Log) -> Iterator[bool]:
    """Hold the entry's lock; False when the cache cannot be written, and there is nothing to protect."""
    lock = None
    try:
        entry.folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(entry.folder / f"{entry.stem}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            log(f"Another ganctl is preparing {name} already; waiting for it.")
            lock.acquire()
        entry.clean(keep=_files_of(entry))
    except (OSError, NotImplementedError) as error:
        lock = None
        why = getattr(error, "strerror", None) or error
        log(
            f"The cache in {entry.folder} cannot be written ({why}); {name} "
            "is kept in memory, and the next start decodes again. GANCTL_CACHE chooses another folder."
        )
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock.release()


def _files_of(entry: _Entry) -> set[str | None]:
    try:
        meta = json.loads(entry.marker.read_text(encoding="utf-8"))
        return {meta["x"], meta["y"]}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _datasets(folder: Path | None) -> Path:
    return (folder if folder is not None else cache_dir()) / "datasets"


def _stem(name: str, dataset: Dataset, image_size: int | None) -> str:
    readable = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[-40:] or "data"
    return f"{readable}-{image_size or 'own'}-{_digest(dataset.identity())[:12]}"


def _source(dataset: Dataset, image_size: int | None) -> str:
    import PIL

    # Another Pillow may decode to other pixels.
    return _digest("\n".join([dataset.fingerprint(), str(image_size), str(VERSION), PIL.__version__]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _hash(x: NDArray[Any], y: Tensor | None) -> str:
    digest = hashlib.blake2b(repr((x.shape, y is None)).encode(), digest_size=16)
    for start in range(0, len(x), 1024):
        digest.update(np.ascontiguousarray(x[start : start + 1024]).data)
    if y is not None:
        digest.update(np.ascontiguousarray(y.numpy()).data)
    return digest.hexdigest()


def _printable(name: str) -> str:
    """A file name that any terminal and encoding can show."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "�" for c in text)
