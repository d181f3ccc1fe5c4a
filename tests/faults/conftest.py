"""Fixtures for tests that interrupt processes, damage files or break dependencies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.fork_server import ForkServer
from helpers.train_commands import train_args

from ganctl.runs.folder import Run

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    needs_fork = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs fork and /proc")
    for item in items:
        if item.path.is_relative_to(HERE) and "fork_server" in getattr(item, "fixturenames", ()):
            item.add_marker(needs_fork)


@pytest.fixture
def uninterrupted(fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """``uninterrupted("gan", "--keep", 2)``: a finished run with these arguments, trained once per session."""

    def get(model: str, *more: object) -> Run:
        root = tmp_path_factory.getbasetemp() / "uninterrupted"
        out = root / "-".join(str(part).strip("-") for part in (model, *more))
        if not out.exists():
            root.mkdir(exist_ok=True)
            log = out.with_suffix(".log")
            status = fork_server.run(*train_args(model), *more, "--out", out, log=log, no_curves=[])
            assert status == 0, log.read_text()
        return Run(out)

    return get


@pytest.fixture(autouse=True)
def _no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not draw curves.png, which takes longer than the rest of a tiny run."""
    monkeypatch.setattr("ganctl.rendering.curves.draw", lambda *args: None)
