"""Parameter groups: the learning rate of each group, under schedules and after resuming."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.bit_identical import assert_same_state
from torch import nn

import ganctl
from ganctl import GanctlError, Spec
from ganctl.plugin import discovery
from ganctl.runs import checkpoint
from ganctl.training import components

PLUGIN = """
import ganctl
import torch
from torch import nn

@ganctl.hookimpl
def register_generators(register):
    register("mapped", Mapped, summary="A generator whose mapping learns slowly")

class Mapped(nn.Module):
    def __init__(self, image, latent):
        super().__init__()
        self.image = tuple(image)
        self.mapping = nn.Linear(latent.dim, 8)
        self.synthesis = nn.Linear(8, image.channels * image.height * image.width)

    def forward(self, z, y=None):
        return torch.tanh(self.synthesis(torch.relu(self.mapping(z)))).view(-1, *self.image)

    def parameter_groups(self):
        return [
            {"params": self.mapping.parameters(), "lr_scale": 0.01},
            {"params": self.synthesis.parameters(), "weight_decay": 0.1},
        ]
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    file = tmp_path / "mapped.py"
    file.write_text(PLUGIN)
    return file


def train(plugin: Path, name: str, **settings: Any) -> ganctl.Run:
    small = {
        "data": {"name": "glyphs", "n": 16},
        "generator": "mapped",
        "discriminator": {"hidden": "8"},
        "batch_size": 4,
        "steps": 8,
        "samples": 1,
        "log_every": 1,
        "trackers": [],
        "device": "cpu",
        "lr": 1e-3,
    }
    return ganctl.train(
        "gan", out=plugin.parent / name, plugins=[plugin], quiet=True, **{**small, **settings}
    )


def groups(run: ganctl.Run) -> list[dict[str, Any]]:
    return checkpoint.load(run.checkpoints[-1])["engine"]["g_optimizer"]["param_groups"]


def test_every_group_has_its_own_learning_rate_and_options(plugin: Path) -> None:
    run = train(plugin, "run")
    assert [group["lr"] for group in groups(run)] == pytest.approx([1e-5, 1e-3])
    assert [group["weight_decay"] for group in groups(run)] == [0, 0.1]


def test_learning_rate_of_a_group_is_used() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.slow, self.fast = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))

        def parameter_groups(self) -> list[dict[str, Any]]:
            return [{"params": [self.slow], "lr_scale": 0.01}, {"params": [self.fast]}]

    network = Two()
    optimizer = components.make_optimizer(
        discovery.registry(), Spec("sgd", lr=1.0), network, torch.device("cpu")
    )
    (network.slow + network.fast).backward()
    optimizer.step()
    assert (network.slow.item(), network.fast.item()) == pytest.approx((-0.01, -1.0))


def test_schedule_scales_every_group_also_after_resuming(plugin: Path) -> None:
    schedules = {"g_optimizer.lr": "linear 0"}
    whole = train(plugin, "whole", schedules=schedules, checkpoint_every=3, keep=0)
    assert [group["lr"] for group in groups(whole)] == pytest.approx([1e-5 / 8, 1e-3 / 8])
    resumed = train(plugin, "resumed", schedules=schedules, checkpoint_every=3, keep=0)
    for path in resumed.checkpoints[1:]:
        path.unlink()
    ganctl.train(resume_from=resumed.path, plugins=[plugin], quiet=True)
    eager = train(plugin, "eager", schedules=schedules, graph=False)
    states = [checkpoint.load(run.checkpoints[-1])["engine"] for run in (whole, resumed, eager)]
    assert_same_state(states[0], states[1])
    assert_same_state(states[0], states[2])  # replayed steps use the learning rate of every group
    assert resumed.losses_file.read_bytes() == whole.losses_file.read_bytes()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('{"params": self.synthesis.parameters(), "weight_decay": 0.1},', ""),
        ("self.synthesis.parameters()", "self.parameters()"),
        ("self.synthesis.parameters()", "[*self.synthesis.parameters(), nn.Parameter(torch.zeros(1))]"),
    ],
    ids=["missing", "twice", "unknown"],
)
def test_groups_must_contain_every_weight_once(old: str, new: str, plugin: Path) -> None:
    plugin.write_text(PLUGIN.replace(old, new))
    with pytest.raises(GanctlError, match=r"parameter_groups\(\) of Mapped does not contain each weight"):
        train(plugin, "run")
    assert not (plugin.parent / "run").exists()
