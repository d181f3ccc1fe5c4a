"""Fixtures for all tests: separate caches, a tiny run, and ``ganctl`` inside and outside this process."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import printed_commands
from helpers.fork_server import ForkServer

from ganctl.api import train
from ganctl.cli import main
from ganctl.runs.folder import Run

CAN_FORK = Path("/proc/self/status").exists()
torch.set_num_threads(1)  # several tests run in parallel


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Share one dataset cache per session, and ignore the user's cache and configuration."""
    root = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("GANCTL_CACHE", str(root))
    monkeypatch.setenv("GANCTL_CONFIG", str(tmp_path_factory.getbasetemp() / "no-config"))
    monkeypatch.delenv("GANCTL_PLUGINS", raising=False)


@pytest.fixture(autouse=True)
def _messages_show_valid_commands(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail the test if a hint contains a command that ganctl would refuse."""
    refused = printed_commands.watch_commands(monkeypatch)
    yield
    assert refused == []


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # in a worker of pytest-xdist
        session.config.workeroutput["commands"] = sorted(printed_commands.SEEN)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    printed_commands.SEEN.update(getattr(node, "workeroutput", {}).get("commands", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if printed_commands.SEEN:
        terminalreporter.write_line(
            f"{len(printed_commands.SEEN)} different ganctl commands in messages were parsed"
        )


@pytest.fixture
def data_root() -> Path:
    """Folder of real datasets. If the folder is missing, the test is skipped."""
    root = os.environ.get("GANCTL_DATA_ROOT")
    if not root or not Path(root).is_dir():
        pytest.skip("needs real data: set GANCTL_DATA_ROOT")
    return Path(root)


@pytest.fixture
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of a few steps, trained once per session. Copy the run before you change it."""
    out = tmp_path_factory.getbasetemp() / "tiny-run"
    if not out.exists():
        train(
            "gan", {"name": "glyphs", "n": 100}, out=out, batch_size=16, epochs=2, log_every=7, sample_every=7,
            checkpoint_every=7, samples=9, quiet=True,
            generator={"hidden": "16,32"}, discriminator={"hidden": "32,16"}, device="cpu", keep=0,
        )  # fmt: skip
    return Run(out)


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture
def ganctl(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., subprocess.CompletedProcess[str]]:
    """``ganctl("train", "--model", …)``: run the command in a new process in ``tmp_path`` and capture its output.

    Commands that need torch are forked from a process that has already imported torch, because the import takes
    longer than the command itself.
    """
    count = itertools.count()

    def run(
        *args: object,
        env: Mapping[str, str] | None = None,
        cwd: Path = tmp_path,
        encoding: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        done = start(args, env, cwd, encoding)
        if not (env or {}).get("PYTHONPATH"):  # commands of these plugins are not installed in this process
            for command in printed_commands.commands_in(done.stdout + done.stderr):
                printed_commands.check_command(command)
        return done

    def start(
        args: tuple[object, ...], env: Mapping[str, str] | None, cwd: Path, encoding: str | None
    ) -> subprocess.CompletedProcess[str]:
        if args and args[0] in ("train", "sample") and CAN_FORK:
            fork_server: ForkServer = request.getfixturevalue("fork_server")
            out, errors = (tmp_path / f".{name}-{next(count)}" for name in ("stdout", "stderr"))
            status = fork_server.start(*args, log=out, errors=errors, cwd=cwd, env=env).wait()
            done = subprocess.CompletedProcess(args, status, out.read_text(), errors.read_text())
            out.unlink()
            errors.unlink()
            return done
        return subprocess.run(
            [sys.executable, "-m", "ganctl", *map(str, args)],
            cwd=cwd,
            env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
            capture_output=True,
            text=True,
            encoding=encoding,
            timeout=120,
        )

    return run


@pytest.fixture
def run_cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """``run_cli("sample", "--ckpt", …)``: run the command in this process and return its exit status and stderr."""

    def run(*args: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(arg) for arg in args])
        errors = capsys.readouterr().err
        for command in printed_commands.commands_in(errors):
            printed_commands.check_command(command)
        return int(ended.value.code or 0), errors

    return run
