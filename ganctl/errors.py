"""GanctlError, the only exception that is meant for users, and the exit statuses."""

from __future__ import annotations

import errno
from collections.abc import Iterable

FAILED = 1
USAGE = 2
DATA = 3
CHECKPOINT = 4
DIVERGED = 5
RESOURCES = 6  # out of memory or disk
HUNG_UP = 129  # SIGHUP, after saving
INTERRUPTED = 130  # SIGINT, after saving
TERMINATED = 143  # SIGTERM, after saving


class GanctlError(Exception):
    """An error that the user can fix.

    The command line prints ``message`` and ``hint`` as two lines on stderr, without a traceback, and exits with
    ``status``.

    Args:
        message: states the problem and its location.
        hint: describes a fix.
        status: exit status of the command.
    """

    def __init__(self, message: str, hint: str = "", *, status: int = FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.status = status

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class InUseError(GanctlError):
    """Raised if another process is training in the run folder."""


def status_of(error: OSError) -> int:
    """Return ``RESOURCES`` if the disk is full, otherwise ``FAILED``."""
    return RESOURCES if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else FAILED


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint for an unknown ``word``: ``"Did you mean 'dcgan'?"``, or all ``known`` names."""
    import difflib

    names = sorted(set(known))
    similar = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if similar:
        return f"Did you mean '{similar[0]}'?"
    return f"Choose from: {', '.join(names)}." if names else ""
