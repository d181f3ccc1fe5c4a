"""Test the messages at the start of a run: length, expected time, and suggested changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.bit_identical import assert_same_run
from helpers.small_runs import train

from ganctl.cli.train import train as train_command
from ganctl.config.command_line import with_options
from ganctl.config.resolve import resolve
from ganctl.plugin import discovery
from ganctl.runs.folder import Run
from ganctl.training import what_to_expect


def log(run: Run) -> str:
    return run.log_file.read_text()


def test_warning_for_few_steps_contains_a_command_for_a_longer_run(tmp_path: Path) -> None:
    text = log(train("gan", tmp_path / "run"))
    assert "Length: 4 epochs of 100 images, 25 steps of 16 images." in text
    assert "note: 25 steps are too few to see anything. 1,000 usually suffice: add --steps 1000\n" in text


def test_note_suggests_augmentation_for_few_images(tmp_path: Path) -> None:
    assert "note: D soon memorizes 100 images. Add --augment diffaug" in log(train("gan", tmp_path / "plain"))
    assert "memorizes" not in log(
        train("gan", tmp_path / "augmented", augment="diffaug", steps=2, epochs=None)
    )


def test_slow_step_is_reported_before_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = train("gan", tmp_path / "plain")
    monkeypatch.setattr(what_to_expect, "HEAVY", 0.0)
    run = train("gan", tmp_path / "run")
    assert "warning: one step takes about" in log(run)
    assert_same_run(plain, run)  # the measurement does not affect training


@pytest.mark.parametrize("name", ["sngan", "cgan-pd", "sagan", "r3gan", "wgan-gp-resnet"])
def test_suggested_settings_of_a_slow_model_are_options_of_train(name: str) -> None:
    registry = discovery.registry()
    light: dict[str, Any] = dict(registry.get("model", name).load().light)
    assert light
    words = ["--model", name, "--data", "glyphs"]
    for setting, value in light.items():
        words += (
            ["-o", f"{setting}={value}"] if "." in setting else [f"--{setting.replace('_', '-')}", str(value)]
        )
    given = train_command.make_context("train", words).params
    settings = {key: given[key] for key in ("model", "data", "batch_size") if given[key] is not None}
    config = resolve(registry, with_options(settings, given["component_options"], registry)).config
    assert config.batch_size == light["batch_size"]
    assert config.generator.options["width"] == light["generator.width"]
    assert config.discriminator.options["width"] == light["discriminator.width"]
