"""Atomic and durable file writes, and disk errors."""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from ganctl.errors import RESOURCES, USAGE, GanctlError, status_of

#: Pattern for the names of temporary files, which a killed process may leave behind. No other files have such names.
TEMPORARY_NAME = re.compile(r"\.ganctl-[0-9a-f]{16}\.tmp")


#: Kinds of files that are not regular. Opening or reading them could block or continue forever.
SPECIAL = (
    (stat.S_ISFIFO, "it is a named pipe"),
    (stat.S_ISSOCK, "it is a socket"),
    (stat.S_ISCHR, "it is a device"),
    (stat.S_ISBLK, "it is a device"),
    (stat.S_ISDIR, "it is a folder"),
)
KERNEL_FOLDERS = ("/proc/", "/sys/")  # their files appear regular but have no size


def open_regular(path: Path | str) -> BinaryIO:
    """Open a regular file, or a link to one, for reading in binary mode.

    Raises:
        OSError: the file does not exist, or ``path`` is a pipe, a socket, a device or a kernel file. ``strerror``
            contains the kind of file.
    """
    mode = os.stat(path).st_mode
    for is_special, what in SPECIAL:
        if is_special(mode):
            raise OSError(errno.EINVAL, f"{what}, not a file", str(path))
    if os.path.realpath(path).startswith(KERNEL_FOLDERS):
        raise OSError(errno.EINVAL, "it is a file of the kernel", str(path))
    return open(path, "rb")


def read_regular(path: Path | str) -> bytes:
    """Return the content of a regular file. Raise the same errors as :func:`open_regular`."""
    with open_regular(path) as file:
        return file.read()


def temporary_beside(path: Path) -> Path:
    """Return the path of a new temporary file in the same folder as ``path``.

    The name is short because the name of ``path`` may already have the maximum length. The name is random because
    processes in different containers may have the same PID.
    """
    return path.with_name(f".ganctl-{os.urandom(8).hex()}.tmp")


def write_atomically(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write ``data`` to a temporary file next to ``path`` and rename it to ``path``.

    Args:
        durable: if True, wait until the data and the rename are on the disk, so that they survive a power failure.

    Raises:
        GanctlError: the file cannot be written. The status is ``RESOURCES`` if the disk is full, otherwise ``FAILED``.
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

    Do nothing if there is no such file.

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
    """Check that the parent directory of ``path`` exists. Call this function before computing the file's content.

    Raises:
        GanctlError: the parent directory does not exist.
    """
    if not path.parent.is_dir():
        raise GanctlError(f"There is no folder {path.parent}.", "Create it first.", status=USAGE)


def disk_error(path: Path, error: OSError) -> GanctlError:
    """Return the error to show to the user after writing ``path`` failed with ``error``."""
    status = status_of(error)
    return GanctlError(
        f"Cannot write {path}: {error.strerror or error}.",
        f"{'Free disk space' if status == RESOURCES else 'Check the path'} or choose another folder. "
        "Files that were saved earlier are unchanged.",
        status=status,
    )


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # the rename must also survive a power failure
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
