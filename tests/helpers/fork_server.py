"""Run ``ganctl`` commands in new processes that start in milliseconds, forked from a server that has imported torch.

The server is this file, run as a program. It reads requests from stdin and forks a process for each command. Tests
access the server through :class:`ForkServer`.
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

ENVIRONMENT = dict(os.environ)  # before any test changes the environment
PATIENCE = 300.0  # seconds; on an idle machine, every wait takes less than two


class ForkServer:
    """Client of the server, which starts commands in forked processes."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "helpers.fork_server"],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**ENVIRONMENT, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )

    def request(self, **request: Any) -> Any:
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
        """Start ``ganctl ARGS`` in a new process.

        Args:
            log: file for the output.
            errors: file for stderr. Default: ``log``.
            env: variables added to the environment.
            terminal: path of a terminal, which becomes the process's controlling terminal and receives all output.
            hooks: names of functions in :mod:`helpers.fault_injection` to call first, mapped to their arguments.
        """
        pid = self.request(
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
        """Run ``ganctl ARGS`` and return its exit status."""
        return self.start(*args, log=log, **hooks).wait()

    def close(self) -> None:
        assert self._server.stdin
        self._server.stdin.close()
        self._server.wait()


class Child:
    """A process that runs a ganctl command."""

    def __init__(self, pid: int, log: Path, server: ForkServer) -> None:
        self.pid, self.log, self._server = pid, log, server
        self.status: int | None = None  # negative if a signal ended the process, as in subprocess

    def poll(self) -> int | None:
        if self.status is None:
            self.status = self._server.request(poll=self.pid)
        return self.status

    def wait(self, patience: float = PATIENCE) -> int:
        try:
            wait_until(lambda: self.poll() is not None, "the process to end", patience)
        except AssertionError:
            self.send(signal.SIGKILL)
            wait_until(lambda: self.poll() is not None, "the process to end after SIGKILL")
            raise AssertionError(f"the process did not end; its output:\n{self.output}") from None
        assert self.status is not None
        return self.status

    def send(self, signum: int) -> None:
        os.kill(self.pid, signum)  # the pid is still valid, because its status has not been requested

    def catches(self, signum: int) -> bool:
        """Return whether the process has a handler for ``signum``."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (signum - 1) & 1)
        return False

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")


def wait_until(condition: Any, what: str, patience: float = PATIENCE) -> None:
    """Wait until ``condition()`` is true, and fail after ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience:.0f} s for {what}"
        time.sleep(0.004)


def serve() -> None:
    """Handle requests until stdin is closed: start a command, or return a command's exit status."""
    import torch

    from ganctl.api import train

    torch.set_num_threads(1)
    # Train once to import all modules that commands need. torch imports many modules only on first use.
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
    assert threading.active_count() == 1, (
        "a forked process would inherit the threads' locks but not the threads"
    )
    gc.freeze()  # otherwise, garbage collection in a forked process would copy every page
    for line in sys.stdin:
        request = json.loads(line)
        if "poll" in request:
            pid, status = os.waitpid(request["poll"], os.WNOHANG)
            reply = os.waitstatus_to_exitcode(status) if pid else None
        else:
            reply = os.fork()
            if reply == 0:
                run_command(request)
        print(json.dumps(reply), flush=True)


def run_command(request: dict[str, Any]) -> None:
    """Run the command in ``request`` in this forked process and exit."""
    null = os.open(os.devnull, os.O_RDONLY)
    if request["terminal"]:
        os.setsid()
        # The first terminal opened by a session becomes the session's controlling terminal.
        log = errors = os.open(request["terminal"], os.O_RDWR)
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

        discovery.load.cache_clear()  # find the plugins on the new PYTHONPATH
        main(request["args"])
    except SystemExit as end:
        status = end.code or 0
    finally:
        for file in (sys.stdout, sys.stderr):
            file.flush()
        os._exit(status)


if __name__ == "__main__":
    serve()
