"""Every registered model trains at a small size and resumes as if it had never been interrupted."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.bit_identical import assert_same_run
from helpers.tiny_models import TINY

import ganctl
from ganctl.plugin import discovery
from ganctl.runs import checkpoint

STEPS, STOPPED = 200, 180
# With 100 images and batches of 8, both lengths end within an epoch, and STOPPED is between two log lines.
SETTINGS: dict[str, Any] = {
    "data": {"name": "glyphs", "n": 100},
    "image_size": 8,
    "batch_size": 8,
    "n_critic": 1,
    "log_every": 40,
    "samples": 4,
    "checkpoint_every": STOPPED,
    "keep": 0,
}


def test_every_registered_model_is_tested() -> None:
    assert sorted(TINY) == discovery.registry().names("model")


@pytest.mark.parametrize("model", sorted(TINY))
def test_every_model_trains_and_resumes_exactly(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ganctl.rendering.curves.draw", lambda *_: None)  # slow and not tested here
    settings = {**SETTINGS, **TINY[model]}
    uninterrupted = ganctl.train(model, out=tmp_path / "uninterrupted", steps=STEPS, quiet=True, **settings)

    lines = uninterrupted.losses
    assert lines[-1]["step"] == STEPS
    assert all(math.isfinite(value) for line in lines for value in line.values())
    engine = checkpoint.load(uninterrupted.checkpoints[-1])["engine"]
    initial = checkpoint.load(uninterrupted.checkpoints[0])["engine"]
    for network in ("G", "D"):
        weights = {k: v for k, v in engine[network].items() if v.is_floating_point()}
        assert all(v.isfinite().all() for v in weights.values())
        assert any(not torch.equal(v, initial[network][k]) for k, v in weights.items())

    (middle,) = (path for path in uninterrupted.checkpoints if path.name == f"step-{STOPPED:08d}.pt")
    torch.manual_seed(99)  # the random state of the process must not affect the result
    resumed = ganctl.train(resume_from=middle, quiet=True)
    assert resumed.path != uninterrupted.path
    assert_same_run(uninterrupted, resumed)
