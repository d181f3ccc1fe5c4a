"""Every registered model trains, at a size that a CPU does in seconds, and goes on as if it had never stopped."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from test_training import assert_same_run

import ganctl
from ganctl.plugin import discovery
from ganctl.runs import checkpoint

MLP = {"generator": {"hidden": "16,16"}, "discriminator": {"hidden": "16,16"}}
DCGAN = {"image_size": 8, "generator": {"width": 8}, "discriminator": {"width": 8}}
UPSAMPLE = {"image_size": 16}
RESIDUAL = {"image_size": 8, "generator": {"width": 4}, "discriminator": {"width": 4}}
SMALL_R3GAN = {"width": 8, "blocks": 1}
R3GAN = {"image_size": 8, "generator": SMALL_R3GAN, "discriminator": SMALL_R3GAN}
AUTOENCODER = {"image_size": 8, "discriminator": {"width": 8}}

#: Model → what makes it small. A new model needs a line here.
TINY: dict[str, dict[str, Any]] = {
    "acgan": UPSAMPLE,
    "began": AUTOENCODER,
    "bgan": MLP,
    "cgan": MLP,
    "cgan-pd": RESIDUAL,
    "dcgan": DCGAN,
    "dcgan-upsample": UPSAMPLE,
    "dragan": DCGAN,
    "ebgan": AUTOENCODER,
    "gan": MLP,
    "gan-basic": MLP,
    "hinge-gan": DCGAN,
    "infogan": UPSAMPLE,
    "lsgan": DCGAN,
    "r3gan": R3GAN,
    "ragan": DCGAN,
    "rgan": DCGAN,
    "sagan": RESIDUAL,
    "sngan": RESIDUAL,
    "softmax-gan": MLP,
    "wgan": {**MLP, "n_critic": 2},  # several updates of D in a step, for one of those that have them
    "wgan-dcgan": DCGAN,
    "wgan-div": MLP,
    "wgan-div-dcgan": DCGAN,
    "wgan-gp": MLP,
    "wgan-gp-dcgan": DCGAN,
    "wgan-gp-resnet": RESIDUAL,
}
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

    lines = whole.metrics
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
