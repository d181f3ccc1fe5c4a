"""Test that components that violate their contract are refused by name before a run folder is created."""

from __future__ import annotations

from pathlib import Path

import pytest

import ganctl
from ganctl import GanctlError

HEADER = """
import torch
from torch import nn
import ganctl

@ganctl.hookimpl
def register_{plural}(register):
    register("mine", Mine, summary="Mine")

"""
BCE = """
class Mine(ganctl.Loss):
    def discriminator_loss(self, D, real, fake):
        return D(fake.x, None).mean() - D(real.x, None).mean(), {}

    def generator_loss(self, D, real, fake):
        return -D(fake.x, None).mean(), {}
"""
LAYER = """
class Mine(nn.Module):
    def __init__(self, image):
        super().__init__()
        self.image = image
"""
INIT = """
    def __init__(self):
        self.weight = 3
"""


def train(tmp_path: Path, kind: str, plural: str, source: str, **settings: object) -> ganctl.Run:
    file = tmp_path / "mine.py"
    file.write_text(HEADER.format(plural=plural) + source)
    small = {"data": {"name": "glyphs", "n": 16}, "batch_size": 4, "steps": 1, "trackers": [], "samples": 1}
    return ganctl.train(
        "gan", out=tmp_path / "run", quiet=True, plugins=[file], **{**small, kind: "mine", **settings}
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "plural", "source", "message", "hint"),
    [
        (
            "loss",
            "losses",
            BCE.replace("generator_loss(self, D, real, fake)", "generator_loss(self, D, fake)"),
            "The loss 'mine' of {} defines generator_loss(D, fake): too many positional arguments.",
            "Its parameters must be (D, real, fake), and may include G by name.",
        ),
        (
            "loss",
            "losses",
            BCE.replace("generator_loss(self, D, real, fake)", "generator_loss(self, D, real, fake, step)"),
            "The loss 'mine' of {} defines generator_loss(D, real, fake, step): missing a required argument: 'step'.",
            "Its parameters must be (D, real, fake), and may include G by name.",
        ),
        (
            "loss",
            "losses",
            BCE + INIT,
            "The loss 'mine' of {} does not call super().__init__().",
            "Call it first in the __init__ of Mine. Report this to its authors.",
        ),
        (
            "loss",
            "losses",
            BCE.replace("return -D(fake.x, None).mean()", "return D(fake.x, None).mean().detach()"),
            "The loss Mine returned a value without a gradient from generator_loss.",
            "Compute it from the outputs of D, without detach(), .data, .item() and torch.no_grad().",
        ),
        (
            "regularizers",
            "regularizers",
            "class Mine(ganctl.Regularizer):\n    def generator_term(self, D): return 0, {}",
            "The regularizer 'mine' of {} defines generator_term(D): too many positional arguments.",
            "Its parameters must be (D, real, fake), and may include G by name.",
        ),
        (
            "discriminator",
            "discriminators",
            LAYER
            + "        self.out = nn.Linear(784, 1)\n    def forward(self, x): return self.out(x.flatten(1))[:, 0]",
            "The discriminator 'mine' of {} defines forward(x): too many positional arguments.",
            "Its parameters must be (x, y), and may include c by name.",
        ),
        (
            "discriminator",
            "discriminators",
            "class Mine(nn.Module):" + INIT,
            "The discriminator 'mine' of {} does not call super().__init__().",
            "Call it first in the __init__ of Mine. Report this to its authors.",
        ),
        (
            "latent",
            "latents",
            "class Mine(ganctl.Latent):" + INIT + "    def sample(self, n, device, generator=None): pass",
            "The latent 'mine' of {} does not call super().__init__().",
            "Call it first in the __init__ of Mine. Report this to its authors.",
        ),
        (
            "g_optimizer",
            "optimizers",
            "class Mine(torch.optim.SGD):\n    def __init__(self, params, lr=1e-3): self.lr = lr",
            "The optimizer 'mine' of {} does not call super().__init__().",
            "Call it first in the __init__ of Mine. Report this to its authors.",
        ),
        (
            "augment",
            "augmentations",
            LAYER + "    def forward(self, x): return x[:, :, 1:]",
            "The augmentation 'mine' of {} returned float32 (2, 1, 27, 28) for two images, float32 (2, 1, 28, 28).",
            "A(x) must keep the shape and dtype of x. Report this to its authors.",
        ),
        (
            "augment",
            "augmentations",
            LAYER + "    def forward(self, x): return x.double()",
            "The augmentation 'mine' of {} returned float64 (2, 1, 28, 28) for two images, float32 (2, 1, 28, 28).",
            "A(x) must keep the shape and dtype of x. Report this to its authors.",
        ),
    ],
    ids=[
        "loss without real",
        "loss with another parameter",
        "loss without super",
        "loss without gradient",
        "regularizer",
        "D without y",
        "D without super",
        "latent without super",
        "optimizer without super",
        "augmentation changes shape",
        "augmentation changes dtype",
    ],
)
def test_component_is_refused_with_its_name(
    kind: str, plural: str, source: str, message: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(GanctlError) as caught:
        train(tmp_path, kind, plural, source)
    start, _, end = message.partition("{}")
    assert caught.value.message.startswith(start)
    assert caught.value.message.endswith(end)
    assert "mine.py" in caught.value.message or not end
    assert caught.value.hint == hint
    assert not (tmp_path / "run").exists() or "without a gradient" in message
