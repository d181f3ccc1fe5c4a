"""Fixtures for the tests of sweeps."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.in_process_workers import run_workers_in_process

from ganctl.sweeps.folder import Sweep
from ganctl.sweeps.runner import create_sweep, make_request
from ganctl.sweeps.variation import parse_options


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """A sweep of three runs that have not started."""
    run_workers_in_process(monkeypatch)
    given = {"model": "gan", "data": {"name": "glyphs", "n": 20}, "batch_size": 10, "steps": 2}
    request = make_request(None, parse_options(grid=["lr=1e-4,2e-4,3e-4"]), {}, layer=given)
    return create_sweep(request, jobs=1, command="", sweeps=tmp_path, out=None, quiet=True)
