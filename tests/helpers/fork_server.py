"""Processes that start in milliseconds: a server with torch imported forks them; they run the command line.

The server (this file, run) reads requests from stdin; a test talks to it through :class:`Forks`.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

UNTOUCHED = dict(os.environ)  # as it was before any test changed it
PATIENCE = 60.0  # seconds; nothing here takes two of them on an idle machine


class Forks:
    """The server's other end."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "helpers.fork_server"],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**UNTOUCHED, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )

    def ask(self, **request: Any) -> Any:
        assert self._server.stdin
        assert self._server.stdout
        print(json.dumps(request), file=self._server.stdin, flush=True)
        return json.loads(self._server.stdout.readline())

    def start(
        self,
        *args: object,
        log: Path,
        errors: Path | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        terminal: str | None = None,
        **hooks: Any,
    ) -> Child:
        """``ganctl ARGS`` in a process of its own, with ``hooks`` of :mod:`helpers.fault_injection` in place.

        Output goes to ``log``, that on stderr to ``errors`` if there is one; or all to the ``terminal`` of that
        path, which the process then belongs to. ``env`` is added to the environment.
        """
        pid = self.ask(
            args=[str(arg) for arg in args],
            log=str(log),
            errors=str(errors or log),
            cwd=str(cwd or log.parent),
            env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
            terminal=terminal,
            hooks=hooks,
        )
        return Child(pid, log, self)

    def run(self, *args: object, log: Path, **hooks: Any) -> int:
        """The exit status of ``ganctl ARGS``."""
        return self.start(*args, log=log, **hooks).wait()

    def close(self) -> None:
        assert self._server.stdin
        self._server.stdin.close()
        self._server.wait()


class Child:
    """A forked ganctl."""

    def __init__(self, pid: int, log: Path, forks: Forks) -> None:
        self.pid, self.log, self._forks = pid, log, forks
        self.status: int | None = None  # as subprocess has it: negative if a signal ended it

    def poll(self) -> int | None:
        if self.status is None:
            self.status = self._forks.ask(poll=self.pid)
        return self.status

    def wait(self, patience: float = PATIENCE) -> int:
        try:
            wait_until(lambda: self.poll() is not None, "the process to end", patience)
        except AssertionError:
            self.send(signal.SIGKILL)
            wait_until(lambda: self.poll() is not None, "SIGKILL to work")
            raise AssertionError(f"it did not end by itself; it wrote:\n{self.output}") from None
        assert self.status is not None
        return self.status

    def send(self, signum: int) -> None:
        os.kill(self.pid, signum)  # a zombie at worst: the server has not been asked for its status yet

    def catches(self, signum: int) -> bool:
        """Whether it has a handler for ``signum``."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (signum - 1) & 1)
        return False

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")


def wait_until(condition: Any, what: str, patience: float = PATIENCE) -> None:
    until = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < until, f"waited {patience:.0f} s for {what}"
        time.sleep(0.004)


def serve() -> None:
    import torch

    from ganctl.api import train

    torch.set_num_threads(1)
    # A training, for all that is imported on the way to its end: torch alone has a second of it after "import torch".
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(GANCTL_CACHE=f"{folder}/cache", GANCTL_CONFIG=f"{folder}/config")
        train(
            "gan",
            {"name": "glyphs", "n": 8},
            out=f"{folder}/run",
            batch_size=8,
            steps=2,
            log_every=1,
            quiet=True,
        )
    assert threading.active_count() == 1, "a fork would lose threads, and keep their locks"
    gc.freeze()  # a child's collector would write to, and so copy, every page of it
    for line in sys.stdin:
        request = json.loads(line)
        if "poll" in request:
            pid, status = os.waitpid(request["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if answer == 0:
                live(request)
        print(json.dumps(answer), flush=True)


def live(request: dict[str, Any]) -> None:
    """A child's life."""
    null = os.open(os.devnull, os.O_RDONLY)
    if request["terminal"]:
        os.setsid()
        log = errors = os.open(request["terminal"], os.O_RDWR)  # the first that a session opens is its own
    else:
        log, errors = (
            os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND) for name in ("log", "errors")
        )
    for descriptor, stream in ((null, 0), (log, 1), (errors, 2)):
        os.dup2(descriptor, stream)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    status: Any = 99
    try:
        from helpers import fault_injection

        for name, values in request["hooks"].items():
            getattr(fault_injection, name)(*values)
        from ganctl.cli import main
        from ganctl.plugin import discovery

        discovery.load.cache_clear()  # those of this PYTHONPATH
        main(request["args"])
    except SystemExit as end:
        status = end.code or 0
    finally:
        for file in (sys.stdout, sys.stderr):
            file.flush()
        os._exit(status)


if __name__ == "__main__":
    serve()
