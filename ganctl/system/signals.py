"""Stop on Ctrl-C, SIGTERM or a closed terminal: immediately, or after saving if there is something to save."""

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
    """Raised to stop the program.

    Attributes:
        status: exit status that belongs to the signal.
        reported: whether a message about the stop was already printed.
    """

    def __init__(self, signum: int, *, reported: bool = False) -> None:
        super().__init__(signal.Signals(signum).name)
        self.reported = reported
        self.status = STATUS[signal.Signals(signum)]


class StopSignals:
    """A context that handles SIGINT, SIGTERM and SIGHUP.

    While ``deferring`` is False, there is nothing to save, and a signal raises :class:`Interrupted` immediately.
    Python may raise it in a callback that ignores exceptions, so :meth:`check` raises it again. An interrupted
    import may also fail later with another exception. Such an exception becomes :class:`Interrupted` at the end of
    the block.

    While ``deferring`` is True, the first signal is only recorded, and a second one raises :class:`Interrupted`.
    After the first signal, ``notice`` is printed.
    """

    def __init__(self) -> None:
        self.deferring = False
        self.notice = "Stopping: saving after this step."
        self._importing = False
        self.signum: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        # Only the main thread may set handlers. Another thread, such as that of a notebook, receives no signals.
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
        """End the process immediately on a signal, without an exception and without cleaning up.

        Use it while importing torch: an exception that is raised within torch's C++ code aborts the process.
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
        # RuntimeError: the signal interrupted a print, and streams are not reentrant.
        with suppress(RuntimeError, OSError, ValueError):
            print(f"\n{self.notice} Press Ctrl-C again to stop immediately.", file=sys.stderr, flush=True)


def _leave_terminal() -> None:
    """Discard all further output, because writing to a closed terminal raises errors, also in click."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                os.dup2(null, descriptor)
