"""Call a service in a separate thread, so that training does not wait for the network."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

Call = Callable[[], object]


class Background:
    """Make calls in order in a single thread. No further calls are made after a call raises an exception."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._error: Exception | None = None
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, call: Call) -> None:
        """Make ``call`` after all earlier calls.

        Raises:
            Exception: the exception that an earlier call raised.
        """
        if self._error is not None:
            raise self._error
        self._calls.put(call)

    def close(self) -> None:
        """Wait until all calls are made.

        Raises:
            Exception: the exception that a call raised.
        """
        self._calls.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except Exception as error:
                self._error = error
                return
