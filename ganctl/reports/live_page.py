"""A report in the browser that is updated during training. It does not need torch and never writes to a run."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from ganctl.errors import GanctlError
from ganctl.reports import page
from ganctl.reports.content import STATES
from ganctl.reports.report import report
from ganctl.reports.watch import seconds_left
from ganctl.runs import read_run
from ganctl.runs.folder import Run
from ganctl.runs.status import State
from ganctl.system.progress import clock
from ganctl.system.web_server import POLICY, PageHandler, WebServer

if TYPE_CHECKING:
    from ganctl.runs.read_run import History

HOST = "127.0.0.1"
MEGABYTES = 4.0  # megabytes of samples per update
IDLE = 9  # seconds of pause per second of CPU time for rendering, so that training keeps the CPU
READ = ("config.toml", "status.json", "losses.jsonl", "timing.jsonl", "metrics.jsonl", "samples", "real.png")


@dataclass(frozen=True)
class Rendered:
    """A page and its version, which changes with the page."""

    version: str
    html: bytes


class LivePage:
    """The page of all runs in ``folder``. The page is rendered again after a run has changed.

    Args:
        folder: a run folder, a folder of runs, or a sweep folder.
        seconds: interval at which the browser requests updates.

    Raises:
        GanctlError: there are no runs in ``folder``.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder, self._seconds = folder, seconds
        self._lock = threading.Lock()
        self._count = 0
        self._next = 0.0  # time at which the runs are checked again
        self._seen = _stamps(folder)
        self.last = self._render()

    def newest(self) -> Rendered:
        """Return a current page, or a page that was rendered a short time ago.

        Raises:
            Exception: the runs cannot be read, for example because their folder was removed. ``last`` is kept.
        """
        with self._lock:
            if time.monotonic() >= self._next:
                stamps = _stamps(self._folder)
                if stamps != self._seen:
                    self.last = self._render()
                    self._seen = stamps
            return self.last

    def _render(self) -> Rendered:
        started = time.process_time()
        self._count += 1
        version = f"{id(self)}-{self._count}"  # differs from the versions of earlier servers
        shown = report(self._folder, megabytes=MEGABYTES)
        line = _state_line([entry.history for entry in shown.entries])
        live = (
            f'<p class="live" id="live" data-version="{version}" data-seconds="{self._seconds:g}">{line}</p>'
            '<p class="live" id="problem" role="status" hidden></p>'
        )
        html = page.render(shown, live=live).encode()
        self._next = time.monotonic() + IDLE * (time.process_time() - started)
        return Rendered(version, html)


class LiveServer(WebServer):
    """Server of a :class:`LivePage` that is reachable only from this machine.

    Raises:
        GanctlError: the server cannot listen on this port.
    """

    def __init__(self, live: LivePage, port: int) -> None:
        self.live = live
        super().__init__(HOST, port, _Handler)


class _Handler(PageHandler):
    server: LiveServer
    policy = POLICY  # the page contains everything else

    def do_GET(self) -> None:  # noqa: N802 (a name of http.server)
        path, query = self.parse_path()
        if not self.check_origin(path):
            return
        if path not in ("/", "/update"):
            self.send_message(HTTPStatus.NOT_FOUND, "Not found.")
            return
        try:
            newest = self.server.live.newest()
        except (
            Exception
        ) as error:  # The run was removed or a file is incomplete, so the next request may succeed.
            if path == "/update":
                self.send_message(HTTPStatus.SERVICE_UNAVAILABLE, _reason(error))
                return
            newest = self.server.live.last
        if path == "/update" and query.get("version") == newest.version:
            self.send_body(b"", "text/plain", HTTPStatus.NO_CONTENT)
        else:
            self.send_body(newest.html, "text/html; charset=utf-8")


def _reason(error: Exception) -> str:
    if isinstance(error, GanctlError):
        return f"{error.message} The page shows the last readable values."
    return (
        f"The run cannot be read ({type(error).__name__}: {error}). The page shows the last readable values."
    )


def _stamps(folder: Path) -> list[tuple[object, ...]]:
    """Return the times and sizes of the files of all runs in ``folder``, and whether each run is being trained."""
    found: list[tuple[object, ...]] = []
    for path in read_run.find(folder):
        found.append((path, read_run.in_use(Run(path)), *(_stamp(path / name) for name in READ)))
    return found


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _state_line(histories: list[History]) -> str:
    """Return the state and progress of a single run, or the number of runs in each state, as HTML."""
    if len(histories) > 1:
        count = Counter(h.state for h in histories)
        return " ".join(
            _badge(state, f"{count[state]} {title}") for state, title in STATES.items() if count[state]
        )
    (h,) = histories
    left = seconds_left(h)
    words = [
        f"step {h.step:,}" + (f" of {h.total:,}" if h.total else ""),
        f"epoch {h.epoch:.2f}",
        *([f"{clock(left)} left"] if left is not None else []),
        *([escape(h.note)] if h.note else []),
    ]
    return f"{_badge(h.state, STATES[h.state])} {' · '.join(words)}"


def _badge(state: State, text: str) -> str:
    return f'<span class="badge {state}">{text}</span>'
