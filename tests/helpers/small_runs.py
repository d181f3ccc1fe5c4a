"""Small runs, and functions that cause an event at a given step."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import ganctl
from ganctl.runs.folder import Run
from ganctl.training.engine import Engine
from ganctl.training.schedules import Schedules

SMALL: dict[str, dict[str, Any]] = {
    "gan-basic": {},
    "gan": {"generator": {"hidden": "16,32"}, "discriminator": {"hidden": "32,16"}},
    "dcgan": {"generator": {"width": 4}, "discriminator": {"width": 4}},
    "dcgan-upsample": {"image_size": 16},
}


MODELS = sorted(SMALL)


# With 100 images and batches of 16, epochs end within a step. Log lines average 7 steps and span epochs.
DATA = {"name": "glyphs", "n": 100}


SETTINGS: dict[str, Any] = {
    "data": DATA,
    "batch_size": 16,
    "epochs": 4,
    "log_every": 7,
    "sample_every": 6,
    "checkpoint_every": 6,
    "samples": 9,
    "keep": 0,
}


def train(model: str, out: Path, **settings: Any) -> Run:
    return ganctl.train(model, out=out, quiet=True, **{**SETTINGS, **SMALL[model], **settings})


def before_step(monkeypatch: pytest.MonkeyPatch, number: int, callback: Callable[[Engine], None]) -> None:
    """Call ``callback`` before the ``number``-th step after this call, counted from 1."""
    original, count = Schedules.apply, 0

    def counted(self: Schedules, step: int) -> None:
        nonlocal count
        count += 1
        if count == number:
            callback(self._engine)
        original(self, step)

    monkeypatch.setattr(Schedules, "apply", counted)


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Send SIGTERM to this process during step ``step``."""
    before_step(monkeypatch, step, lambda engine: os.kill(os.getpid(), signal.SIGTERM))


def poison(monkeypatch: pytest.MonkeyPatch, network: str, at: int) -> None:
    """Set one weight of ``network`` to NaN before step ``at``."""

    @torch.no_grad()
    def fill(engine: Engine) -> None:
        next(getattr(engine, network).parameters()).view(-1)[0] = float("nan")

    before_step(monkeypatch, at, fill)
