"""Pytest fixtures for the tests of plugins. torch is imported only when a fixture is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ganctl.runs.folder import Run


@pytest.fixture
def ganctl_kit(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return :mod:`ganctl.testing`. A broken plugin is an error instead of a warning."""
    monkeypatch.setenv("GANCTL_STRICT", "1")
    import ganctl.testing

    return ganctl.testing


@pytest.fixture
def ganctl_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Return a function that trains two steps in the test's temporary folder and returns the run.

    Call it as ``ganctl_train("dcgan", loss="my-loss")``, with the arguments of :func:`ganctl.train`. By default, it
    trains the model ``dcgan`` on 64 images of ``glyphs`` with a batch size of 16. The cache is in the temporary folder.
    """
    monkeypatch.setenv("GANCTL_STRICT", "1")
    monkeypatch.setenv("GANCTL_CACHE", str(tmp_path / "cache"))

    def train(model: str = "dcgan", data: Any = None, **settings: Any) -> Run:
        import ganctl

        given: dict[str, Any] = {"batch_size": 16, "steps": 2, "samples": 4, "device": "cpu", **settings}
        if data is None:
            data = {"name": "glyphs", "n": 64}
        return ganctl.train(model, data, runs=tmp_path / "runs", quiet=True, **given)

    return train
