"""Test that ganctl.make builds registered components, even in factories of other plugins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import ganctl
from ganctl import GanctlError, ImageShape
from ganctl.latent import Normal

IMAGE = ImageShape(1, 28, 28)
ARGUMENTS: dict[str, Any] = {"image": IMAGE, "latent": Normal(z_dim=8), "num_classes": 3, "condition": None}


def test_networks_and_losses_are_built() -> None:
    D = ganctl.make("discriminator", "dcgan", width="4", **ARGUMENTS)
    assert D(torch.zeros(2, *IMAGE), None).shape == (2,)
    G = ganctl.make("generator", "ganctl:dcgan", width=4, **ARGUMENTS)
    assert G(torch.zeros(2, 8), None).shape == (2, *IMAGE)
    assert isinstance(ganctl.make("loss", "bce", batch_size=4, **ARGUMENTS), ganctl.Loss)


def test_components_of_other_kinds_are_built() -> None:
    assert ganctl.make("latent", "normal", z_dim=7).dim == 7
    assert ganctl.make("regularizer", "r1", gamma=2.0, every=4, batch_size=4, **ARGUMENTS).every == 4
    weight = torch.nn.Parameter(torch.ones(1))
    assert isinstance(ganctl.make("optimizer", "adam", params=[weight], lr=1e-3), torch.optim.Adam)


@pytest.mark.parametrize(
    ("kind", "name", "arguments", "message", "hint"),
    [
        ("discriminatr", "dcgan", {}, "There is no kind 'discriminatr'.", "Did you mean 'discriminator'?"),
        ("discriminator", "dcgna", {}, "There is no discriminator 'dcgna'.", "Did you mean 'dcgan'?"),
        (
            "discriminator",
            "dcgan",
            {"image": IMAGE, "widht": 4},
            "has no option 'widht'.",
            "Did you mean 'width'?",
        ),
        ("discriminator", "dcgan", {"imag": IMAGE}, "has no argument 'imag'.", "Did you mean 'image'?"),
        ("discriminator", "dcgan", {}, "needs the argument 'image'.", "Pass on the argument"),
        (
            "discriminator",
            "dcgan",
            {"image": IMAGE, "width": "x"},
            "width is 'x'; expected int.",
            "The default is ",
        ),
    ],
)
def test_invalid_arguments_are_errors(
    kind: str, name: str, arguments: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(GanctlError) as caught:
        ganctl.make(kind, name, **arguments)
    assert message in caught.value.message
    assert caught.value.hint.startswith(hint)


WRAPPER = """
import ganctl
from torch import nn

@ganctl.hookimpl
def register_discriminators(register):
    register("negated", Negated, summary="A discriminator with the opposite sign")

class Negated(nn.Module):
    def __init__(self, image, num_classes, latent, width: int = 4):
        super().__init__()
        self.inner = ganctl.make(
            "discriminator", "dcgan", image=image, num_classes=num_classes, latent=latent, width=width
        )

    def forward(self, x, y=None):
        return -self.inner(x, y)
"""


def test_wrapper_of_a_registered_component_can_be_trained(tmp_path: Path) -> None:
    file = tmp_path / "negated.py"
    file.write_text(WRAPPER)
    run = ganctl.train(
        "dcgan", {"name": "glyphs", "n": 16}, out=tmp_path / "run", plugins=[file], discriminator="negated",
        generator={"width": 4}, batch_size=8, steps=1, samples=1, trackers=[], quiet=True, device="cpu",
    )  # fmt: skip
    D = ganctl.load(run.path, device="cpu", plugins=[file]).D
    assert {name.partition(".")[0] for name in D.state_dict()} == {"inner"}
