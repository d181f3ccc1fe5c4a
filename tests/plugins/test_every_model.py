"""Every registered model trains, at a size that a CPU does in seconds, and goes on as if it had never stopped."""

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
# 100 images in batches of 8: both lengths end inside an epoch, and STOPPED inside a line of the metrics.
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


def test_every_model_is_here() -> None:
    assert sorted(TINY) == discovery.registry().names("model")


@pytest.mark.parametrize("model", sorted(TINY))
def test_trains_and_goes_on(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "ganctl.rendering.curves.draw", lambda *_: None
    )  # a second each, and not what is tested here
    settings = {**SETTINGS, **TINY[model]}
    whole = ganctl.train(model, out=tmp_path / "whole", steps=STEPS, quiet=True, **settings)

    lines = whole.losses
    assert lines[-1]["step"] == STEPS
    assert all(math.isfinite(value) for line in lines for value in line.values())
    engine = checkpoint.load(whole.checkpoints[-1])["engine"]
    began = checkpoint.load(whole.checkpoints[0])["engine"]
    for network in ("G", "D"):
        weights = {k: v for k, v in engine[network].items() if v.is_floating_point()}
        assert all(v.isfinite().all() for v in weights.values())
        assert any(not torch.equal(v, began[network][k]) for k, v in weights.items())

    (middle,) = (path for path in whole.checkpoints if path.name == f"step-{STOPPED:08d}.pt")
    torch.manual_seed(99)  # whatever the process did before must not matter
    gone_on = ganctl.train(resume_from=middle, quiet=True)
    assert gone_on.path != whole.path
    assert_same_run(whole, gone_on)
