"""Tests with a mock of wandb, without an account or a network."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from ganctl_wandb.tracker import WandB
from PIL import Image

CONFIG = {"model": "dcgan", "generator": {"name": "dcgan", "width": 64}}


class Run:
    """The methods of the object returned by wandb.init that the tracker uses."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options, self.logged, self.finished = options, [], False

    def log(self, values: dict[str, Any], *, step: int) -> None:
        assert not self.finished
        self.logged.append((step, values))

    def finish(self) -> None:
        self.finished = True


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """The runs that were started with the mock."""
    started: list[Run] = []
    wandb: Any = ModuleType("wandb")

    def init(**options: Any) -> Run:
        started.append(Run(options))
        return started[-1]

    wandb.init = init
    wandb.Image = lambda image: ("image", image.size)
    wandb.Settings = lambda **settings: settings
    ids = iter(["first-id", "second-id"])
    wandb.util = SimpleNamespace(generate_id=lambda: next(ids))
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    return started


def test_numbers_and_images_are_logged_with_their_step(tmp_path: Path, runs: list[Run]) -> None:
    tracker = WandB(tmp_path / ".", CONFIG)
    tracker.image(0, "samples", Image.new("L", (3, 2)))
    tracker.scalars(50, {"d_loss": 0.5, "g_loss": 1.5})
    tracker.close()
    (run,) = runs
    assert run.logged == [(0, {"samples": ("image", (3, 2))}), (50, {"d_loss": 0.5, "g_loss": 1.5})]
    assert run.finished


def test_run_has_the_name_of_its_folder_and_its_settings(tmp_path: Path, runs: list[Run]) -> None:
    WandB(tmp_path, CONFIG, project="faces", entity="lab", mode="offline")
    options = runs[0].options
    assert options["name"] == tmp_path.name
    assert options["config"] == CONFIG
    assert (options["project"], options["entity"], options["mode"]) == ("faces", "lab", "offline")
    assert options["dir"] == str(tmp_path)


def test_resumed_run_continues_its_wandb_run(tmp_path: Path, runs: list[Run]) -> None:
    for _ in range(2):
        WandB(tmp_path, CONFIG).close()
    (tmp_path / "another").mkdir()
    WandB(tmp_path / "another", CONFIG).close()
    assert [run.options["id"] for run in runs] == ["first-id", "first-id", "second-id"]
    assert all(run.options["resume"] == "allow" for run in runs)


def test_registration_imports_neither_wandb_nor_torch() -> None:
    import subprocess

    code = "import sys, ganctl_wandb; print(sorted({'wandb', 'torch', 'PIL'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
