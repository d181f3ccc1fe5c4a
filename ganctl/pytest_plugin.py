"""Fixtures for the tests of plugins, there once ganctl is installed; nothing heavy is imported until one is used."""

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
    """:mod:`ganctl.testing`, where a broken plugin is an error and not a warning."""
    monkeypatch.setenv("GANCTL_STRICT", "1")
    import ganctl.testing

    return ganctl.testing


@pytest.fixture
def ganctl_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """``ganctl_train("dcgan", loss="my-loss")`` trains two steps in a folder of the test and returns the run.

    The arguments are those of :func:`ganctl.train`. Unless given: the model ``dcgan`` on 64 ``glyphs``, in batches of
    16, with a cache that ends with the test.
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
