"""Errors in a command's environment: no temporary folder, low limits, or a deleted current folder.

Such an error may appear in any component, although the component did not cause it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from ganctl.errors import RESOURCES, GanctlError

_LIMITS = {
    errno.EMFILE: ("Too many files are open.", "Raise the limit, for example: ulimit -n 4096"),
    errno.ENFILE: ("Too many files are open on this system.", "Close other programs."),
    errno.EAGAIN: (
        "No more processes or threads can be started.",
        "Raise the limit with 'ulimit -u', raise the container's limit, or close other programs.",
    ),
}


def environment_error(error: BaseException) -> GanctlError | None:
    """Return a message and hint for ``error`` if its environment caused it, otherwise None.

    The causes and contexts of ``error`` are also examined.
    """
    for each in _chain(error):
        if isinstance(each, FileNotFoundError) and "usable temporary directory" in str(each):
            return no_temporary_folder()
        if isinstance(each, FileNotFoundError) and not each.filename and not _current_folder_exists():
            return GanctlError("The current folder was deleted.", "Change to another folder with cd.")
        if isinstance(each, OSError) and each.errno in _LIMITS:
            return GanctlError(*_LIMITS[each.errno], status=RESOURCES)
        if isinstance(each, RuntimeError) and "can't start new thread" in str(each):
            return GanctlError(*_LIMITS[errno.EAGAIN], status=RESOURCES)
        if isinstance(each, ImportError) and "failed to map segment" in str(each):
            return GanctlError(
                f"A library cannot be loaded: {each}.",
                "Raise the memory limit, for example: ulimit -v unlimited  If there is no limit, the folder of the "
                "library may be on a file system that is mounted with 'noexec'.",
                status=RESOURCES,
            )
    return None


def require_temporary_folder() -> None:
    """Check that Python finds a writable temporary folder, which torch needs to build an optimizer.

    Raises:
        GanctlError: there is no such folder.
    """
    import tempfile

    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise no_temporary_folder() from error


def no_temporary_folder() -> GanctlError:
    """Return the error to show to the user if no temporary folder is writable."""
    given = os.environ.get("TMPDIR")
    return GanctlError(
        "There is no writable temporary folder" + (f": TMPDIR is {given}." if given else "."),
        "Set the environment variable TMPDIR to a writable folder with free disk space.",
        status=RESOURCES,
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _current_folder_exists() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True
