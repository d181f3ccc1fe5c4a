"""What undisturbed runs come to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.fork_server import Forks
from helpers.train_commands import training

from ganctl.runs.folder import Run

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    needs_fork = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs fork and /proc")
    for item in items:
        if item.path.is_relative_to(HERE) and "forks" in getattr(item, "fixturenames", ()):
            item.add_marker(needs_fork)


@pytest.fixture
def whole(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """``whole("gan", "--keep", 2)``: the run of these arguments that nothing happened to; made once."""

    def get(model: str, *more: object) -> Run:
        root = tmp_path_factory.getbasetemp() / "whole"
        out = root / "-".join(str(part).strip("-") for part in (model, *more))
        if not out.exists():
            root.mkdir(exist_ok=True)
            log = out.with_suffix(".log")
            status = forks.run(*training(model), *more, "--out", out, log=log, no_curves=[])
            assert status == 0, log.read_text()
        return Run(out)

    return get


@pytest.fixture(autouse=True)
def _no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """curves.png takes longer than all the rest of a tiny run."""
    monkeypatch.setattr("ganctl.rendering.curves.draw", lambda *args: None)
