"""Sweeps without processes of their own: what a worker process would do is done where it would be started."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Mapping
from typing import Any

import pytest

from ganctl.sweeps import supervisor, worker


class Inline:
    """In place of :func:`ganctl.sweeps.supervisor.start`."""

    def __init__(self, request: Mapping[str, Any], threads: int, errors: Any) -> None:
        self.pid = os.getpid()
        self._request, self._errors = json.dumps(request), errors
        self._code: int | None = None

    def poll(self) -> int:
        if self._code is None:
            said = io.StringIO()
            with contextlib.redirect_stderr(said):
                self._code = worker.main(self._request, exit_with_parent=False)
            self._errors.write(said.getvalue().encode())
        return self._code

    def wait(self) -> int:
        return self.poll()

    def send_signal(self, sig: int, /) -> None:
        self._code = 128 + sig

    def kill(self) -> None:
        self._code = -9


def run_workers_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "start", Inline)
    monkeypatch.setattr(supervisor, "POLL_INTERVAL", 0.0)
    monkeypatch.setattr(
        "ganctl.rendering.curves.draw", lambda *args: None
    )  # it takes longer than a tiny training
