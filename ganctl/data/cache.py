"""Cache datasets on disk: images are decoded and resized once, and then memory-mapped.

The name of a cache entry contains the dataset's name, the image size and a digest of the dataset's identity. The
metadata file, such as ``mnist-own-1f3c….json``, is written last. Without this file, the entry does not exist. The names
of the files with pixels, labels and conditions also contain a random word, so no file is ever overwritten. Each entry
has a lock file, so that only one process builds the entry.
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
from torch import Tensor

from ganctl.data import decode_pool
from ganctl.data.array_writer import ArrayWriter, Log, sync
from ganctl.data.decoding import DECODER_VERSION
from ganctl.data.pixels import DTYPES, PixelFormat, concatenate, take, wrong_pixels
from ganctl.dataset import Dataset, ImageFiles, Images
from ganctl.errors import DATA, FAILED, RESOURCES, USAGE, GanctlError

Progress = Callable[[str, int, int], None]

MIXED_SIZE = 64  # default size for a dataset whose images differ in size


class Loaded(NamedTuple):
    """A dataset ready for training.

    Attributes:
        images: the decoded images. ``images.x`` is memory-mapped if it could be cached.
        fingerprint: hash of pixels, labels and conditions, independent of the machine.
        skipped: one line per image that could not be read, with its name and the error.
    """

    images: Images
    fingerprint: str
    skipped: list[str]


def cache_dir() -> Path:
    """Return the cache folder.

    The folder is the first of ``$GANCTL_CACHE``, ``$XDG_CACHE_HOME/ganctl`` and ``~/.cache/ganctl`` that is defined.

    Raises:
        GanctlError: the folder would be in the home directory, but the user has none, as in some containers.
    """
    if os.environ.get("GANCTL_CACHE"):
        folder = os.environ["GANCTL_CACHE"]
    elif os.environ.get("XDG_CACHE_HOME"):
        folder = os.path.join(os.environ["XDG_CACHE_HOME"], "ganctl")
    else:
        folder = os.path.join("~", ".cache", "ganctl")
    folder = os.path.expanduser(folder)
    if folder.startswith("~"):
        raise GanctlError(
            "There is no home directory for the cache of decoded datasets.",
            "Set GANCTL_CACHE to a folder.",
            status=RESOURCES,
        )
    return Path(folder)


def cache_size(folder: Path | None = None) -> int:
    """Return the total size of all cached datasets in bytes."""
    total = 0
    for file in _datasets_dir(folder).glob("*"):
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
    """Return the images of ``dataset`` from the cache, or decode the images and add them to the cache.

    Args:
        name: name of the dataset in messages.
        dataset: the result of a dataset factory. :class:`ganctl.Images` are used directly and not cached.
        image_size: height and width to which the largest centered square is resized. If None, use the original size,
            or 64 if the images differ in size.
        cache_dir: cache folder. If None, use :func:`cache_dir`.
        progress: called with a title, the number of finished images and the total number of images.
        log: called with messages for the user.

    Raises:
        GanctlError: the data is missing or unreadable, or neither disk nor memory has enough space.
    """
    if image_size is not None and image_size < 1:
        raise GanctlError(
            f"The image size is {image_size}; it must be at least 1.", "Try --image-size 64.", status=USAGE
        )
    log = log or (lambda line: None)
    progress = progress or (lambda title, done, total: None)
    if isinstance(dataset, Images):
        _validate(name, dataset)
        x = dataset.x if image_size is None else concatenate(_resized(dataset, image_size))
        images = dataset._replace(x=x)
        return Loaded(images, _hash(images), [])

    try:
        folder = _datasets_dir(cache_dir)
    except GanctlError as error:
        log(
            f"{error.message} {name} is kept in memory, and the next run decodes the images again. {error.hint}"
        )
        with ArrayWriter(None, name, log) as writer:
            loaded = _build(name, dataset, image_size, writer, progress)
    else:
        entry = _Entry(folder, _entry_name(name, dataset, image_size), _source(dataset, image_size))
        loaded = _load_entry(entry, name, dataset, image_size, progress, log)
    for line in loaded.notes:
        log(line)
    return Loaded(loaded.images, loaded.fingerprint, loaded.skipped)


def _load_entry(
    entry: _Entry, name: str, dataset: Dataset, image_size: int | None, progress: Progress, log: Log
) -> _Content:
    """Return the content of ``entry``. The entry is created if it does not exist."""
    loaded = entry.read()
    if loaded is None:
        with _lock(entry, name, log) as writable:
            loaded = entry.read() if writable else None
            if loaded is None:
                path = entry.new_path() if writable else None
                with ArrayWriter(path, name, log) as writer:
                    loaded = _build(name, dataset, image_size, writer, progress)
                    entry.commit(loaded, writer)
    return loaded


@dataclass
class _Content:
    """The content of a cache entry."""

    images: Images
    fingerprint: str
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Entry:
    """A cache entry, which may not exist yet."""

    folder: Path
    name: str
    source: str  # digest of everything on which the content depends

    @property
    def metadata_file(self) -> Path:
        return self.folder / f"{self.name}.json"

    def read(self) -> _Content | None:
        """Return the content, or None if the entry does not exist, has a different source or is damaged."""
        try:
            meta = json.loads(self.metadata_file.read_text(encoding="utf-8"))
            if meta["source"] != self.source:
                return None
            path = self.folder / meta["x"]
            if path.stat().st_size != meta["bytes"]:
                return None
            # Copy-on-write protects the file from changes and avoids a torch warning.
            x = torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))
            y = c = None
            if meta["y"]:
                y = torch.from_numpy(np.load(self.folder / meta["y"], allow_pickle=False))
            if list(x.shape) != meta["shape"] or x.dtype != DTYPES[meta.get("dtype", "uint8")]:
                return None
            if y is not None and (len(y) != len(x) or y.dtype != torch.int64):
                return None
            if meta.get("c"):
                stored = np.load(self.folder / meta["c"]["file"], mmap_mode="c", allow_pickle=False)
                if [stored.dtype.str, list(stored.shape)] != [meta["c"]["dtype"], meta["c"]["shape"]]:
                    return None
                c = torch.from_numpy(stored)
            low_high = meta.get("range")
            images = Images(x, y, tuple(meta["classes"]), c=c, range=tuple(low_high) if low_high else None)
            return _Content(images, meta["fingerprint"], meta["skipped"], meta["notes"])
        except (OSError, ValueError, KeyError, TypeError, EOFError):
            return None

    def new_path(self) -> Path:
        """Return a path for the pixels that no other process uses."""
        return self.folder / f"{self.name}.{secrets.token_hex(4)}.x.npy"

    def commit(self, content: _Content, writer: ArrayWriter) -> None:
        """Replace the entry with the file written by ``writer``. If there is no file, do nothing."""
        if writer.path is None:
            return
        images = content.images
        arrays = {"y": images.y, "c": images.c}
        paths = {
            name: writer.path.with_suffix(f".{name}.npy")
            for name, array in arrays.items()
            if array is not None
        }
        temporary = writer.path.with_suffix(".json")
        meta = {
            "source": self.source,
            "x": writer.path.name,
            "y": paths["y"].name if "y" in paths else None,
            "c": None if images.c is None else _description(paths["c"], images.c),
            "dtype": str(images.x.dtype).removeprefix("torch."),
            "range": images.range and list(map(float, images.range)),
            "shape": list(images.x.shape),
            "bytes": writer.path.stat().st_size,
            "classes": images.classes,
            "fingerprint": content.fingerprint,
            "skipped": content.skipped,
            "notes": content.notes,
        }
        try:
            for name, path in paths.items():
                array = arrays[name]
                assert array is not None
                with open(path, "wb") as file:
                    np.save(file, array.numpy(), allow_pickle=False)
                    sync(file)
            with open(temporary, "w", encoding="utf-8") as metadata:
                json.dump(meta, metadata, indent=1)
                sync(metadata)
            os.replace(temporary, self.metadata_file)
        except BaseException as error:
            for path in (*paths.values(), temporary):
                path.unlink(missing_ok=True)
            if not isinstance(error, OSError):
                raise
            # The disk is full, but the file already contains the pixels and stays mapped during this run.
            writer.log_unwritable(error)
            return
        writer.keep()
        self.clean(keep={writer.path.name, *(path.name for path in paths.values())})

    def clean(self, keep: set[str | None]) -> None:
        """Remove files left by earlier or killed processes. The caller must hold the lock."""
        for file in self.folder.glob(f"{self.name}.*.*"):
            if file.name not in keep:
                with contextlib.suppress(OSError):  # on Windows, a mapped file cannot be removed
                    file.unlink()


def _build(
    name: str, dataset: Dataset, image_size: int | None, writer: ArrayWriter, progress: Progress
) -> _Content:
    data = dataset.read()
    if isinstance(data, Images):
        _validate(name, data)
        writer.start(len(data.x), data.x[:0].numpy().dtype)
        done = 0
        progress(f"Preparing {name}", 0, len(data.x))
        for block in _resized(data, image_size):
            writer.append(block.numpy())
            done += len(block)
            progress(f"Preparing {name}", done, len(data.x))
        return _content(writer, data)
    if not isinstance(data, ImageFiles):
        raise GanctlError(
            f"The dataset '{name}' returned {type(data).__name__}, not ganctl.Images or ganctl.ImageFiles.",
            "This is a bug in the plugin that provides the dataset. See: ganctl list datasets",
        )
    notes = list(data.notes)
    decoded = _decode(name, data, image_size, writer, progress)
    if decoded is None:
        notes.append(
            f"The images of '{name}' have different sizes, so they are center-cropped and resized to "
            f"{MIXED_SIZE}×{MIXED_SIZE}. Use --image-size to choose a different size."
        )
        decoded = _decode(name, data, MIXED_SIZE, writer, progress)
        assert decoded is not None
    positions, skipped = decoded
    if not positions:
        raise GanctlError(
            f"None of the {len(data.names):,} images of '{name}' could be read; {skipped[0]}"
            if skipped
            else f"The dataset '{name}' contains no images.",
            "Check whether another program can open them." if skipped else "",
            status=DATA,
        )
    if skipped:
        more = f"; and {len(skipped) - 5:,} more" if len(skipped) > 5 else ""
        notes.append(
            f"{len(skipped):,} of {len(data.names):,} images of '{name}' could not be read and are "
            f"skipped: {'; '.join(skipped[:5])}{more}"
        )
    y = c = None
    if data.labels is not None:
        y = torch.as_tensor(np.asarray(data.labels, dtype=np.int64)[positions])
    if data.conditions is not None:
        c = take(torch.as_tensor(data.conditions), torch.tensor(positions))
    without_pixels = Images(torch.empty(len(positions), 1, 1, 1, dtype=torch.uint8), y, data.classes, c=c)
    _validate(name, without_pixels)
    return _content(writer, without_pixels, skipped, notes)


def _content(
    writer: ArrayWriter, images: Images, skipped: Sequence[str] = (), notes: Sequence[str] = ()
) -> _Content:
    """Return the content of an entry, which is ``images`` with the pixels that were written."""
    x = torch.from_numpy(writer.finish())
    images = images._replace(x=x, classes=tuple(images.classes), flip=False)
    return _Content(images, _hash(images), list(skipped), list(notes))


def _decode(
    name: str, files: ImageFiles, size: int | None, writer: ArrayWriter, progress: Progress
) -> tuple[list[int], list[str]] | None:
    """Decode ``files`` and append the images to ``writer``.

    Returns:
        The positions of the images that could be read, and one line per image that could not be read. None if
        ``size`` is None and the images differ in size.
    """
    names = files.names
    for what, values in (("labels", files.labels), ("conditions", files.conditions)):
        if values is not None and len(values) != len(names):
            raise GanctlError(f"The dataset '{name}' has {len(names)} images, but {len(values)} {what}.")
    positions: list[int] = []
    skipped: list[str] = []
    first_size: tuple[int, ...] | None = None
    writer.start(len(names))
    title = f"Decoding {name}"
    progress(title, 0, len(names))
    with contextlib.closing(decode_pool.decode(files.open, names, size, files.channels)) as blocks:
        for start, block in blocks:
            skipped += [f"{_printable(names[start + i])}: {error}" for i, error in block.failed]
            if block.pixels is not None:
                first_size = first_size or block.pixels.shape[2:]
            if block.mixed_sizes or (block.pixels is not None and block.pixels.shape[2:] != first_size):
                return None
            if block.pixels is not None:
                positions += [start + i for i in block.decoded]
                writer.append(block.pixels)
            progress(title, start + len(block.decoded) + len(block.failed), len(names))
    return positions, skipped


def _resized(images: Images, size: int | None) -> Iterator[Tensor]:
    """Yield blocks of ``images.x``, with the largest centered square resized like Pillow's antialiased bicubic filter.

    The blocks have the same dtype and range as the images. The filter is computed in float32.
    """
    _, low, high = PixelFormat.of(images)
    for block in images.x.split(1024):
        if size is not None and tuple(block.shape[2:]) != (size, size):
            height, width = block.shape[2:]
            side = min(height, width)
            top, left = (height - side) // 2, (width - side) // 2
            block = block[:, :, top : top + side, left : left + side]
            if side != size:
                dtype = block.dtype
                block = torch.nn.functional.interpolate(
                    block.float(), size=(size, size), mode="bicubic", antialias=True
                )
                block = block if dtype.is_floating_point else block.round_()
                block = block.clamp_(low, high).to(dtype)  # the filter can overshoot the range
        yield block


def _validate(name: str, images: Images) -> None:
    x, y, c = images.x, images.y, images.c
    wrong = ""
    if not isinstance(x, Tensor) or x.ndim != 4:
        kind = f"{x.dtype} {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        wrong = f"x is {kind}, not a tensor N×C×H×W"
    elif x.numel() == 0:
        raise GanctlError(f"The dataset '{name}' contains no images.", status=DATA)
    elif reason := wrong_pixels(x, images.range):
        wrong = reason
    elif y is not None and (not isinstance(y, Tensor) or y.dtype != torch.int64 or y.shape != (len(x),)):
        wrong = f"y is not int64 of length {len(x)}"
    elif y is not None and int(y.min()) < -1:
        wrong = f"y has the label {int(y.min())}; labels start at 0, and an image without a label has −1"
    elif c is not None and (not isinstance(c, Tensor) or c.ndim == 0 or len(c) != len(x)):
        kind = f"{c.dtype} {tuple(c.shape)}" if isinstance(c, Tensor) else type(c).__name__
        wrong = f"c is {kind}, not a tensor with {len(x)} rows"
    elif c is not None and (c.is_complex() or not _has_numpy_dtype(c)):
        wrong = f"c is {c.dtype}, which cannot be stored"
    elif c is not None and not all(bool(block.isfinite().all()) for block in c.split(1024)):
        wrong = "c has values that are not finite"
    if wrong:
        raise GanctlError(
            f"The dataset '{name}' cannot be used: {wrong}.",
            "This is a bug in the plugin that provides the dataset. See: ganctl list datasets",
            status=FAILED,
        )


def _has_numpy_dtype(c: Tensor) -> bool:
    try:
        c[:0].numpy()
    except (TypeError, RuntimeError):
        return False
    return True


@contextlib.contextmanager
def _lock(entry: _Entry, name: str, log: Log) -> Iterator[bool]:
    """Hold the lock of ``entry``. The value is False if the cache is not writable, so that no lock is needed."""
    lock = None
    try:
        entry.folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(entry.folder / f"{entry.name}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            log(f"Another process is preparing {name}; waiting for it.")
            lock.acquire()
        entry.clean(keep=_files_of(entry))
    except (OSError, NotImplementedError) as error:
        lock = None
        reason = getattr(error, "strerror", None) or error
        log(
            f"{name} cannot be cached in {entry.folder} ({reason}), so the next run decodes the images again. "
            "To use a different cache folder, set GANCTL_CACHE."
        )
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock.release()


def _files_of(entry: _Entry) -> set[str | None]:
    try:
        meta = json.loads(entry.metadata_file.read_text(encoding="utf-8"))
        return {meta["x"], meta["y"], *([meta["c"]["file"]] if meta.get("c") else [])}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _datasets_dir(folder: Path | None) -> Path:
    return (folder if folder is not None else cache_dir()) / "datasets"


def _entry_name(name: str, dataset: Dataset, image_size: int | None) -> str:
    safe_name = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[-40:] or "data"
    return f"{safe_name}-{image_size or 'own'}-{_digest(dataset.identity())[:12]}"


def _source(dataset: Dataset, image_size: int | None) -> str:
    import PIL

    # A different version of Pillow may decode the same file to different pixels.
    return _digest("\n".join([dataset.fingerprint(), str(image_size), str(DECODER_VERSION), PIL.__version__]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _hash(images: Images) -> str:
    """Hash pixels, labels and conditions. The format and conditions are included only if they are not the default."""
    x, y, c = images.x, images.y, images.c
    identity: list[Any] = [tuple(x.shape), y is None]
    if x.dtype != torch.uint8 or images.range is not None:
        identity += [str(x.dtype), images.range and tuple(map(float, images.range))]
    if c is not None:
        identity += [str(c.dtype), tuple(c.shape)]
    digest = hashlib.blake2b(repr(tuple(identity)).encode(), digest_size=16)
    for tensor in (x, y, c):
        for block in () if tensor is None else tensor.split(1024):
            digest.update(np.ascontiguousarray(block.numpy()).data)
    return digest.hexdigest()


def _description(path: Path, c: Tensor) -> dict[str, Any]:
    """Return the metadata of the file that contains an entry's conditions."""
    array = c.numpy()
    return {"file": path.name, "dtype": array.dtype.str, "shape": list(array.shape)}


def _printable(name: str) -> str:
    """Return a file name without characters that a terminal or encoding cannot display."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "�" for c in text)
