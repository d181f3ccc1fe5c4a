"""Ctrl-C, SIGTERM and a closed terminal: at once while there is nothing to save, else at the next safe moment."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any

from ganctl.errors import HUNG_UP, INTERRUPTED, TERMINATED

STATUS = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}
if hasattr(signal, "SIGHUP"):  # Windows has none
    STATUS[signal.SIGHUP] = HUNG_UP


class Interrupted(KeyboardInterrupt):
    """Raised to leave at once. ``status`` is the exit status that the signal asks for; ``said`` if the user knows."""

    def __init__(self, signum: int, *, said: bool = False) -> None:
        super().__init__(signal.Signals(signum).name)
        self.said = said
        self.status = STATUS[signal.Signals(signum)]


class StopSignals:
    """While entered, a first SIGINT, SIGTERM or SIGHUP is remembered and a second one ends the process.

    As long as ``deferring`` is False there is nothing to save, and the first raises :class:`Interrupted` where
    the program stands. Python may deliver that into a callback that swallows exceptions, so :meth:`check`
    raises it again. An interrupted import may also fail later with another exception. Such an exception becomes
    :class:`Interrupted` at the end of the block.
    """

    def __init__(self) -> None:
        self.deferring = False
        self._importing = False
        self.signum: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        # Only the main thread may set handlers; in another one (a notebook's) there are no signals to catch.
        if threading.current_thread() is threading.main_thread():
            for signum in STATUS:
                if (
                    signum in (signal.SIGINT, signal.SIGTERM)
                    or signal.getsignal(signum) is not signal.SIG_IGN
                ):
                    self._previous[signum] = signal.signal(signum, self._handle)  # not SIGHUP under nohup
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
        if self.signum is not None and not self.deferring and isinstance(error, Exception):
            raise Interrupted(self.signum) from error

    @contextmanager
    def importing(self) -> Iterator[None]:
        """End the process immediately on a signal, without an exception and without cleaning up.

        For a command that imports torch first: an exception that is raised within torch's C++ code aborts the process.
        """
        self._importing = True
        try:
            yield
        finally:
            self._importing = False

    @property
    def requested(self) -> bool:
        return self.signum is not None

    def check(self, *, said: bool = False) -> None:
        """Raise :class:`Interrupted` if a signal has come."""
        if self.signum is not None:
            raise Interrupted(self.signum, said=said)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        second = self.requested
        self.signum = signum
        if STATUS[signal.Signals(signum)] == HUNG_UP:
            _leave_terminal()
        if self._importing:
            with suppress(OSError):
                os.write(2, b"interrupted\n")
            os._exit(STATUS[signal.Signals(signum)])
        if second or not self.deferring:
            raise Interrupted(signum)
        # RuntimeError: the signal came within a print, and a stream cannot be entered twice.
        with suppress(RuntimeError, OSError, ValueError):
            print(
                "\nStopping: saving after this step. Once more to leave at once.", file=sys.stderr, flush=True
            )


def _leave_terminal() -> None:
    """Let what is printed from now on go nowhere: a terminal that is gone refuses every word, click's among them."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                os.dup2(nowhere, descriptor)
