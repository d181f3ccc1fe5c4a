"""Test that a changed plugin version is reported, and that plugin hooks can keep old checkpoints loadable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ganctl
from ganctl import GanctlError
from ganctl.plugin import discovery
from ganctl.plugin.registry import component


class Old(nn.Module):
    def __init__(self, image: ganctl.ImageShape, latent: ganctl.Latent) -> None:
        super().__init__()
        self.image = tuple(image)
        self.net = nn.Linear(latent.dim, 784)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return torch.tanh(self.layers(z)).view(-1, *self.image)

    def layers(self, z: Tensor) -> Tensor:
        return self.net(z)


class Renamed(Old):
    def __init__(self, image: ganctl.ImageShape, latent: ganctl.Latent) -> None:
        super().__init__(image, latent)
        self.body = self.net
        del self.net

    def layers(self, z: Tensor) -> Tensor:
        return self.body(z)


class Migrating(Renamed):
    def __init__(self, image: ganctl.ImageShape, latent: ganctl.Latent) -> None:
        super().__init__(image, latent)
        self.register_load_state_dict_pre_hook(rename)


def rename(module: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    for name in [name for name in state if name.startswith(f"{prefix}net.")]:
        state[f"{prefix}body.{name.removeprefix(f'{prefix}net.')}"] = state.pop(name)


Install = Callable[[type[nn.Module], str], None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return a function that replaces the generator and the version of the distribution ``acme``."""
    own = discovery.registry()

    def replace(generator: type[nn.Module], version: str) -> None:
        registry = own.copy()
        registry.add(
            component(
                "generator",
                "acme",
                generator,
                "For a test",
                plugin="acme",
                distribution="acme",
                version=version,
            )
        )
        monkeypatch.setattr(discovery, "registry", lambda: registry)

    return replace


@pytest.fixture
def run(install: Install, tmp_path: Path) -> ganctl.Run:
    install(Old, "1.0")
    return ganctl.train(
        "gan", {"name": "glyphs", "n": 16}, out=tmp_path / "run", generator="acme", discriminator={"hidden": "8"},
        batch_size=4, steps=4, samples=1, trackers=[], quiet=True, device="cpu",
    )  # fmt: skip


CHANGED = "the checkpoint was written with acme 1.0, and 2.0 is installed"


def test_same_version_is_not_reported(run: ganctl.Run, capsys: pytest.CaptureFixture[str]) -> None:
    ganctl.train(resume_from=run.path, steps=6)
    assert "warning" not in capsys.readouterr().err
    assert ganctl.load(run.path).warnings == []


def test_different_version_is_reported_in_one_line(
    run: ganctl.Run, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install(Old, "2.0")
    ganctl.train(resume_from=run.path, steps=6)
    lines = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert lines == [f"warning: {CHANGED}, so the run may not continue exactly."]
    install(Old, "3.0")
    assert ganctl.load(run.path).warnings == [
        "the checkpoint was written with acme 2.0, and 3.0 is installed"
    ]


def test_error_for_renamed_weights_contains_both_versions(run: ganctl.Run, install: Install) -> None:
    install(Renamed, "2.0")
    with pytest.raises(GanctlError) as caught:
        ganctl.train(resume_from=run.path, steps=6, quiet=True)
    assert "'G' has other weights than its settings give" in caught.value.message
    assert "'net.weight' seems to be renamed to 'body.weight', and 1 more" in caught.value.message
    assert (
        caught.value.hint
        == f"{CHANGED[0].upper()}{CHANGED[1:]}. Install the earlier version, or start a new run."
    )
    with pytest.raises(GanctlError, match=r"'net\.weight' seems to be renamed to 'body\.weight'") as sampling:
        ganctl.load(run.path)
    assert "acme==1.0" in sampling.value.hint


def test_hook_keeps_old_checkpoints_loadable(run: ganctl.Run, install: Install) -> None:
    before = ganctl.load(run.path, device="cpu").sample(4)
    install(Migrating, "2.0")
    assert torch.equal(ganctl.load(run.path, device="cpu").sample(4), before)
    longer = ganctl.train(resume_from=run.path, steps=6, quiet=True)
    assert "body.weight" in ganctl.load(longer.path, device="cpu").G.state_dict()
