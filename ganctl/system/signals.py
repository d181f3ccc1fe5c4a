"""Stop on Ctrl-C, SIGTERM or a closed terminal, either immediately or after saving unsaved work."""

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
if hasattr(signal, "SIGHUP"):  # not available on Windows
    STATUS[signal.SIGHUP] = HUNG_UP


class Interrupted(KeyboardInterrupt):
    """Raised to stop the program.

    Attributes:
        status: exit status for the signal.
        reported: True if a message about the interruption was already printed.
    """

    def __init__(self, signum: int, *, reported: bool = False) -> None:
        super().__init__(signal.Signals(signum).name)
        self.reported = reported
        self.status = STATUS[signal.Signals(signum)]


class StopSignals:
    """Context manager that handles SIGINT, SIGTERM and SIGHUP.

    While ``deferring`` is False, there is nothing to save, and a signal raises :class:`Interrupted` immediately.
    Python may raise the exception in a callback that ignores exceptions, so :meth:`check` raises it again. An
    interrupted import may also fail later with a different exception. Such an exception is replaced by
    :class:`Interrupted` at the end of the block.

    While ``deferring`` is True, the first signal is recorded and ``notice`` is printed. A second signal raises
    :class:`Interrupted`.
    """

    def __init__(self) -> None:
        self.deferring = False
        self.notice = "Stopping: saving after this step."
        self._importing = False
        self.signum: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        # Only the main thread can set handlers. Other threads, such as a notebook's, do not receive signals.
        if threading.current_thread() is threading.main_thread():
            for signum in STATUS:
                if (
                    signum in (signal.SIGINT, signal.SIGTERM)
                    or signal.getsignal(signum) is not signal.SIG_IGN
                ):
                    self._previous[signum] = signal.signal(signum, self._handle)  # nohup ignores SIGHUP
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
        """Terminate the process immediately on a signal, without an exception or cleanup.

        Use this context while importing torch, because an exception within torch's C++ code aborts the process.
        """
        self._importing = True
        try:
            yield
        finally:
            self._importing = False

    @property
    def requested(self) -> bool:
        return self.signum is not None

    def check(self, *, reported: bool = False) -> None:
        """Raise :class:`Interrupted` if a signal was received."""
        if self.signum is not None:
            raise Interrupted(self.signum, reported=reported)

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
        # A RuntimeError means that the signal interrupted a print. Streams are not reentrant.
        with suppress(RuntimeError, OSError, ValueError):
            print(f"\n{self.notice} Press Ctrl-C again to stop immediately.", file=sys.stderr, flush=True)


def _leave_terminal() -> None:
    """Discard all further output, because writing to a closed terminal raises errors, including in click."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                os.dup2(null, descriptor)
