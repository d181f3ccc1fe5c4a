"""A large array of images that grows in order: in a file as long as the disk takes it, else in memory."""

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
ROWS = 1024  # images copied at a time


class Store:
    """Takes blocks of images. As a context manager it removes its file at the end, unless told to keep it."""

    def __init__(self, path: Path | None, name: str, log: Log) -> None:
        self.path = path  # None: in memory
        self._name = name
        self._log = log
        self._kept = False
        self._file: IO[bytes] | None = None
        self._memory: NDArray[np.uint8] | None = None
        self.start(0)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exception: object) -> None:
        self._discard()

    def start(self, total: int) -> None:
        """Begin again, with nothing; up to ``total`` images are to come."""
        self._discard()
        self._total = total
        self._n = 0
        self._shape: tuple[int, int, int] = (0, 0, 0)

    def append(self, block: NDArray[np.uint8]) -> None:
        """Take n×C×H×W more. If gray and colored blocks come together, the gray ones get three channels."""
        if self._file is None and self._memory is None:
            self._open(block.shape[1:])
        if block.shape[1] > self._shape[0]:
            self._widen(block.shape[1])
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

    def finish(self) -> NDArray[np.uint8]:
        """uint8 N×C×H×W of all that came; mapped copy-on-write if it is in a file."""
        if self._file is not None and self.path is not None:
            try:
                self._write_header(self._n)
                sync(self._file)
                self._file.close()
                mapped: NDArray[np.uint8] = np.load(self.path, mmap_mode="c", allow_pickle=False)
                return mapped
            except OSError as error:
                self._move_to_memory(error)
        assert self._memory is not None
        return self._memory[: self._n]

    def keep(self) -> None:
        """Leave the file where it is."""
        self._kept = True

    def log_unwritable(self, error: OSError) -> None:
        folder = self.path.parent if self.path else "no folder"
        self._log(
            f"The cache in {folder} cannot take {self._name} ({error.strerror or error}); going on without, "
            "and the next start decodes again. GANCTL_CACHE chooses another folder."
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
        # numpy pads a header so that the first axis can grow: one for another n fits in its place.
        assert self._file
        self._file.seek(0)
        description = {"descr": "|u1", "fortran_order": False, "shape": (n, *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, description)
        self._header_bytes = self._file.tell()

    def _widen(self, channels: int) -> None:
        """Begin again with more channels, and take what there is so far, every gray channel repeated."""
        so_far, old_file, old_path = self._so_far(), self._file, self.path
        self._file, self._memory, self._n = None, None, 0
        if self.path is not None:
            self.path = self.path.with_suffix(f".{channels}.npy")
        try:
            self._open((channels, *self._shape[1:]))
            for start in range(0, len(so_far), ROWS):
                self.append(so_far[start : start + ROWS])
        finally:
            if old_file and old_path:
                old_file.close()
                old_path.unlink(missing_ok=True)

    def _so_far(self) -> NDArray[np.uint8]:
        if self._memory is not None:
            return self._memory[: self._n]
        shape = (self._n, *self._shape)
        if self._file is None or self.path is None or self._n == 0:
            return np.empty((0, *self._shape), np.uint8)
        return np.memmap(self.path, np.uint8, "r", offset=self._header_bytes, shape=shape)

    def _move_to_memory(self, error: OSError) -> None:
        so_far = self._so_far()
        self._open_memory()
        assert self._memory is not None
        self._memory[: len(so_far)] = so_far
        del so_far
        self.log_unwritable(error)
        self._remove_file()
        self.path = None

    def _open_memory(self) -> None:
        available = free_memory()
        try:
            if available is not None and self._bytes() > 0.9 * available:
                raise MemoryError
            self._memory = np.empty((self._total, *self._shape), np.uint8)
        except MemoryError as error:
            where = f"neither {self.path.parent} nor memory has" if self.path else "memory does not have"
            raise GanctlError(
                f"'{self._name}' takes {gib(self._bytes())} decoded; {where} the room.",
                "Set GANCTL_CACHE to a folder with more room, or choose a smaller --image-size.",
                status=RESOURCES,
            ) from error

    def _bytes(self) -> int:
        channels, height, width = self._shape
        return self._total * channels * height * width

    def _discard(self) -> None:
        self._memory = None
        if not self._kept:
            self._remove_file()

    def _remove_file(self) -> None:
        if self._file is None or self.path is None:
            return
        with contextlib.suppress(OSError):  # a full disk: what is left to flush is not wanted
            self._file.close()
        with contextlib.suppress(OSError):  # Windows: it is still mapped
            self.path.unlink()
        self._file = None


def sync(file: IO[Any]) -> None:
    """All that was written is on the disk, not on its way there."""
    file.flush()
    os.fsync(file.fileno())
