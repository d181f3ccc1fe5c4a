"""Atomic and durable writes of files, and errors of the disk."""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from ganctl.errors import RESOURCES, USAGE, GanctlError, status_of

#: Names of temporary files, which a killed process may leave. No other files have such names.
TEMPORARY_NAME = re.compile(r"\.ganctl-[0-9a-f]{16}\.tmp")


#: What is not a regular file. Opening or reading it could block forever or have no end.
SPECIAL = (
    (stat.S_ISFIFO, "it is a named pipe"),
    (stat.S_ISSOCK, "it is a socket"),
    (stat.S_ISCHR, "it is a device"),
    (stat.S_ISBLK, "it is a device"),
    (stat.S_ISDIR, "it is a folder"),
)
KERNEL_FOLDERS = ("/proc/", "/sys/")  # their files look regular, but have no size


def open_regular(path: Path | str) -> BinaryIO:
    """Open a regular file for reading in binary mode, or a link to one.

    Raises:
        OSError: there is no such file, or ``path`` is a pipe, a socket, a device or a file of the kernel. ``strerror``
            says what it is.
    """
    mode = os.stat(path).st_mode
    for is_special, what in SPECIAL:
        if is_special(mode):
            raise OSError(errno.EINVAL, f"{what}, not a file", str(path))
    if os.path.realpath(path).startswith(KERNEL_FOLDERS):
        raise OSError(errno.EINVAL, "it is a file of the kernel", str(path))
    return open(path, "rb")


def read_regular(path: Path | str) -> bytes:
    """Return the content of a regular file. Raises what :func:`open_regular` raises."""
    with open_regular(path) as file:
        return file.read()


def temporary_beside(path: Path) -> Path:
    """Return the path of a new temporary file in the folder of ``path``.

    The name is short, because the name of ``path`` may already have the maximum length, and random, because processes
    in different containers may have the same PID.
    """
    return path.with_name(f".ganctl-{os.urandom(8).hex()}.tmp")


def write_atomically(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write ``data`` to a temporary file next to ``path`` and rename it to ``path``.

    Args:
        durable: wait until the data and the rename are on the disk, so that they survive a power failure.

    Raises:
        GanctlError: the file cannot be written; the status is ``RESOURCES`` if the disk is full, otherwise ``FAILED``.
    """
    temporary = temporary_beside(path)
    try:
        if os.path.exists(path) and not os.path.isfile(path):  # os.replace would replace a pipe or a device
            open_regular(path).close()
        with temporary.open("wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
        if durable:
            _sync_folder(path.parent)
    except OSError as error:
        raise disk_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def make_durable(path: Path) -> None:
    """Wait until the content of ``path`` is on the disk, so that it survives a power failure.

    Without such a file, do nothing.

    Raises:
        GanctlError: see :func:`write_atomically`.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return
    except OSError as error:
        raise disk_error(path, error) from error


def require_parent(path: Path) -> None:
    """Check that the parent directory of ``path`` exists, before the work whose result is written to ``path``.

    Raises:
        GanctlError: the parent directory does not exist.
    """
    if not path.parent.is_dir():
        raise GanctlError(f"There is no folder {path.parent}.", "Create it first.", status=USAGE)


def disk_error(path: Path, error: OSError) -> GanctlError:
    """Return the error for a user when writing ``path`` failed with ``error``."""
    status = status_of(error)
    return GanctlError(
        f"Cannot write {path}: {error.strerror or error}.",
        f"{'Free disk space' if status == RESOURCES else 'Check the path'} or choose another folder. "
        "Files that were saved before are unchanged.",
        status=status,
    )


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # the rename must also survive a power failure
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
