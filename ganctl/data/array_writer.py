"""Write a large array of images in blocks to a file, or to memory if the disk does not have enough space."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ganctl.errors import RESOURCES, GanctlError
from ganctl.system.memory import free_memory, gib

Log = Callable[[str], None]
COPY_SIZE = 1024  # number of images copied at a time


class ArrayWriter:
    """Append blocks of images to one array.

    On leaving the context, the file is removed unless :meth:`keep` was called.

    Args:
        path: file to write to, or None to write to memory.
        name: name of the dataset in messages.
        log: called with messages for the user.
    """

    def __init__(self, path: Path | None, name: str, log: Log) -> None:
        self.path = path  # None once the array is in memory
        self._name = name
        self._log = log
        self._keep = False
        self._file: IO[bytes] | None = None
        self._memory: NDArray[Any] | None = None
        self.start(0)

    def __enter__(self) -> ArrayWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self._discard()

    def start(self, total: int, dtype: np.dtype[Any] | None = None) -> None:
        """Discard everything written so far, and prepare for at most ``total`` images of ``dtype`` (default: uint8)."""
        self._discard()
        self._dtype = dtype or np.dtype(np.uint8)
        self._total = total
        self._n = 0
        self._shape: tuple[int, int, int] = (0, 0, 0)

    def append(self, block: NDArray[Any]) -> None:
        """Append n×C×H×W images. Gray images are converted to three channels once a block has three channels."""
        if self._file is None and self._memory is None:
            self._open(block.shape[1:])
        if block.shape[1] > self._shape[0]:
            self._add_channels(block.shape[1])
        block = np.ascontiguousarray(np.broadcast_to(block, (len(block), *self._shape)))
        if self._file is not None:
            try:
                self._file.write(block.data)
                self._file.flush()
            except OSError as error:
                self._move_to_memory(error)
        if self._memory is not None:
            self._memory[self._n : self._n + len(block)] = block
        self._n += len(block)

    def finish(self) -> NDArray[Any]:
        """Return all images as an N×C×H×W array. A file is mapped copy-on-write."""
        if self._file is not None and self.path is not None:
            try:
                self._write_header(self._n)
                sync(self._file)
                self._file.close()
                mapped: NDArray[Any] = np.load(self.path, mmap_mode="c", allow_pickle=False)
                return mapped
            except OSError as error:
                self._move_to_memory(error)
        assert self._memory is not None
        return self._memory[: self._n]

    def keep(self) -> None:
        """Keep the file on leaving the context."""
        self._keep = True

    def log_unwritable(self, error: OSError) -> None:
        """Log that the file cannot be written and what happens next."""
        folder = self.path.parent if self.path else "no folder"
        self._log(
            f"{self._name} cannot be cached in {folder} ({error.strerror or error}), so the next run decodes the "
            "images again. To use a different cache folder, set GANCTL_CACHE."
        )

    def _open(self, shape: tuple[int, ...]) -> None:
        self._shape = (shape[0], shape[1], shape[2])
        if self.path is None:
            self._open_memory()
            return
        try:
            free = shutil.disk_usage(self.path.parent).free
            if free < self._bytes():
                raise OSError(f"{gib(free)} free, {gib(self._bytes())} needed")
            self._file = open(self.path, "w+b")  # noqa: SIM115
            self._write_header(self._total)
            self._file.flush()
        except OSError as error:
            self._move_to_memory(error)

    def _write_header(self, n: int) -> None:
        # numpy pads the header so that the first axis can grow, so the header has the same size for every n.
        assert self._file
        self._file.seek(0)
        description = {"descr": self._dtype.str, "fortran_order": False, "shape": (n, *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, description)
        self._header_bytes = self._file.tell()

    def _add_channels(self, channels: int) -> None:
        """Start a new array with more channels, and copy the gray images to the array with the channel repeated."""
        written, old_file, old_path = self._written(), self._file, self.path
        self._file, self._memory, self._n = None, None, 0
        if self.path is not None:
            self.path = self.path.with_suffix(f".{channels}.npy")
        try:
            self._open((channels, *self._shape[1:]))
            for start in range(0, len(written), COPY_SIZE):
                self.append(written[start : start + COPY_SIZE])
        finally:
            if old_file and old_path:
                old_file.close()
                old_path.unlink(missing_ok=True)

    def _written(self) -> NDArray[Any]:
        """Return the images appended so far."""
        if self._memory is not None:
            return self._memory[: self._n]
        shape = (self._n, *self._shape)
        if self._file is None or self.path is None or self._n == 0:
            return np.empty((0, *self._shape), self._dtype)
        return np.memmap(self.path, self._dtype, "r", offset=self._header_bytes, shape=shape)

    def _move_to_memory(self, error: OSError) -> None:
        written = self._written()
        self._open_memory()
        assert self._memory is not None
        self._memory[: len(written)] = written
        del written
        self.log_unwritable(error)
        self._remove_file()
        self.path = None

    def _open_memory(self) -> None:
        available = free_memory()
        try:
            if available is not None and self._bytes() > 0.9 * available:
                raise MemoryError
            self._memory = np.empty((self._total, *self._shape), self._dtype)
        except MemoryError as error:
            place = f"Neither {self.path.parent} nor memory has" if self.path else "Memory does not have"
            raise GanctlError(
                f"'{self._name}' needs {gib(self._bytes())} when decoded. {place} enough space.",
                "Set GANCTL_CACHE to a folder with more space, or choose a smaller --image-size.",
                status=RESOURCES,
            ) from error

    def _bytes(self) -> int:
        channels, height, width = self._shape
        return self._total * channels * height * width * self._dtype.itemsize

    def _discard(self) -> None:
        self._memory = None
        if not self._keep:
            self._remove_file()

    def _remove_file(self) -> None:
        if self._file is None or self.path is None:
            return
        with contextlib.suppress(OSError):  # on a full disk, the last bytes cannot be flushed
            self._file.close()
        with contextlib.suppress(OSError):  # on Windows, a mapped file cannot be removed
            self.path.unlink()
        self._file = None


def sync(file: IO[Any]) -> None:
    """Wait until everything written to ``file`` is on the disk."""
    file.flush()
    os.fsync(file.fileno())
