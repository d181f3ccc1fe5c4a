"""Files that are there whole or not at all. Free of torch, as commands that only ask use it too."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ganctl.errors import RESOURCES, USAGE, GanctlError, status_of


def write_atomically(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write ``data`` to a temporary file next to ``path`` and rename it to ``path``.

    Args:
        durable: wait until the data and the rename are on the disk, so that they survive a power cut.

    Raises:
        GanctlError: with status ``RESOURCES`` when there is no room, else ``FAILED``.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
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
    """Have what was appended to ``path`` on the disk, so that it survives a power cut; nothing if there is no file.

    Raises:
        GanctlError: as from :func:`write_atomically`.
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
    """``error`` while writing ``path``, in words."""
    status = status_of(error)
    return GanctlError(
        f"Cannot write {path}: {error.strerror or error}.",
        f"{'Free some room' if status == RESOURCES else 'Check that path'} or choose another folder; "
        "what was saved before is untouched.",
        status=status,
    )


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # the rename itself must survive a power cut too
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
