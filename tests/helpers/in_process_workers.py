"""Run the workers of a sweep within the test's own process."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Mapping
from typing import Any

import pytest

from ganctl.sweeps import supervisor, worker


class InProcessWorker:
    """Replacement for :func:`ganctl.sweeps.supervisor.start` that runs the worker when it is polled."""

    def __init__(self, request: Mapping[str, Any], threads: int, errors: Any) -> None:
        self.pid = os.getpid()
        self._request, self._errors = json.dumps(request), errors
        self._code: int | None = None

    def poll(self) -> int:
        if self._code is None:
            output = io.StringIO()
            with contextlib.redirect_stderr(output):
                self._code = worker.main(self._request, exit_with_parent=False)
            self._errors.write(output.getvalue().encode())
        return self._code

    def wait(self) -> int:
        return self.poll()

    def send_signal(self, sig: int, /) -> None:
        self._code = 128 + sig

    def kill(self) -> None:
        self._code = -9


def run_workers_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make sweeps run workers in this process."""
    monkeypatch.setattr(supervisor, "start", InProcessWorker)
    monkeypatch.setattr(supervisor, "POLL_INTERVAL", 0.0)
    # Drawing curves.png takes longer than a tiny run.
    monkeypatch.setattr("ganctl.rendering.curves.draw", lambda *args: None)
