"""Test the arguments that components receive, and the learning rates of parameter groups after resuming."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.bit_identical import assert_same_state
from helpers.in_process_cli import run
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


def test_every_group_has_a_separate_learning_rate_and_options(plugin: Path) -> None:
    trained = train(plugin, "run")
    assert [group["lr"] for group in groups(trained)] == pytest.approx([1e-5, 1e-3])
    assert [group["weight_decay"] for group in groups(trained)] == [0, 0.1]


def test_learning_rate_of_each_group_is_used() -> None:
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


def test_schedule_scales_every_group_even_after_resuming(plugin: Path) -> None:
    schedules = {"g_optimizer.lr": "linear 0"}
    whole = train(plugin, "whole", schedules=schedules, checkpoint_every=3, keep=0)
    assert [group["lr"] for group in groups(whole)] == pytest.approx([1e-5 / 8, 1e-3 / 8])
    resumed = train(plugin, "resumed", schedules=schedules, checkpoint_every=3, keep=0)
    for path in resumed.checkpoints[1:]:
        path.unlink()
    ganctl.train(resume_from=resumed.path, plugins=[plugin], quiet=True)
    eager = train(plugin, "eager", schedules=schedules, graph=False)
    states = [checkpoint.load(each.checkpoints[-1])["engine"] for each in (whole, resumed, eager)]
    assert_same_state(states[0], states[1])
    assert_same_state(states[0], states[2])  # replayed steps use each group's learning rate
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
def test_groups_must_contain_every_weight_exactly_once(old: str, new: str, plugin: Path) -> None:
    plugin.write_text(PLUGIN.replace(old, new))
    with pytest.raises(GanctlError, match=r"parameter_groups\(\) of Mapped does not contain each weight"):
        train(plugin, "run")
    assert not (plugin.parent / "run").exists()


REQUESTS = """
import ganctl
import torch

SEEN = {}

@ganctl.hookimpl
def register_losses(register):
    register("asks", AsksLoss, summary="A loss that requests facts")

@ganctl.hookimpl
def register_latents(register):
    register("asks", AsksLatent, summary="A latent that requests facts")

class AsksLoss(ganctl.Loss):
    def __init__(self, image, batch_size, num_classes, latent, scale: float = 1.0):
        super().__init__()
        SEEN["loss"] = [image, batch_size, num_classes, latent.dim, scale]

    def discriminator_loss(self, D, real, fake):
        SEEN["D"] = SEEN.get("D", 0) + 1
        return D(fake.x, None).mean() - D(real.x, None).mean(), {}

    def generator_loss(self, D, real, fake):
        SEEN.setdefault("z", []).append(fake.z.clone())
        return -D(fake.x, None).mean(), {}

class AsksLatent(ganctl.Latent):
    def __init__(self, image, root, z_dim: int = 5):
        super().__init__(z_dim)
        SEEN["latent"] = [image, root, z_dim]

    def sample(self, n, device, generator=None):
        return torch.randn(n, self.dim, generator=generator).to(device)
"""


@pytest.fixture
def seen(tmp_path: Path) -> dict[str, Any]:
    """Return the arguments that the components in ``REQUESTS`` receive in two steps with three G updates each."""
    file = tmp_path / "asks.py"
    file.write_text(REQUESTS)
    ganctl.train(
        "gan", {"name": "glyphs", "n": 16}, out=tmp_path / "run", plugins=[file], loss="asks", latent="asks",
        z_dim=5, batch_size=4, steps=2, n_generator=3, n_critic=2, samples=1, trackers=[], quiet=True, device="cpu",
        data_root=tmp_path / "data", generator={"hidden": "8"}, discriminator={"hidden": "8"},
    )  # fmt: skip
    module = next(
        m for name, m in reversed(list(sys.modules.items())) if name.startswith("ganctl_files.asks_")
    )
    return module.SEEN


def test_losses_and_latents_receive_the_requested_arguments(seen: dict[str, Any], tmp_path: Path) -> None:
    assert seen["loss"] == [(1, 28, 28), 4, 10, 5, 1.0]
    assert seen["latent"] == [(1, 28, 28), tmp_path / "data", 5]


def test_each_of_n_generator_updates_uses_new_latents(seen: dict[str, Any]) -> None:
    assert seen["D"] == 2 * 2
    assert len(seen["z"]) == 2 * 3
    assert len({tuple(z.flatten().tolist()) for z in seen["z"]}) == 6


def test_n_generator_from_the_command_line_is_part_of_the_config(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(
        capsys, "train", "--model", "gan", "--data", "glyphs", "-o", "data.n=16", "--batch-size", 4, "--steps", 1,
        "--samples", 1, "--tracker", "none", "--n-generator", 2, "--out", tmp_path / "run", "-q",
    )  # fmt: skip
    assert result.status == 0, result.stderr
    assert "n_generator = 2" in (tmp_path / "run" / "config.toml").read_text()
