"""Test the settings in which runs differ and the labels that distinguish runs."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.fake_runs import CONFIG

from ganctl.reports import settings


def configs(*changes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**CONFIG, **change} for change in changes]


def lr(value: float, other: float | None = None) -> dict[str, Any]:
    return {
        "g_optimizer": {"name": "adam", "lr": value},
        "d_optimizer": {"name": "adam", "lr": other if other is not None else value},
    }


def differing(*changes: dict[str, Any]) -> list[settings.Setting]:
    return settings.differing(settings.collect(configs(*changes)))


def test_flatten_merges_shared_optimizer_options_and_drops_settings_without_effect() -> None:
    flat = settings.flatten({**CONFIG, **lr(2e-4), "data_root": "/somewhere", "keep": 3})
    assert flat["optimizer"] == "adam"
    assert flat["lr"] == 2e-4
    assert flat["generator"] == "mlp"
    assert flat["generator.hidden"] == [128, 256]
    assert flat["z_dim"] == 100
    assert not {"g_lr", "g_optimizer", "device", "data_root", "keep", "latent.z_dim"} & flat.keys()


def test_image_folder_is_labeled_with_its_name() -> None:
    folders = [{"data": {"name": "folder", "path": f"/data/{name}"}} for name in ("faces", "cars.zip")]
    found = differing(*folders)
    assert settings.labels(settings.choose_axes(found), ["a", "b"]) == ["faces", "cars.zip"]


def test_options_that_are_separate_in_one_run_are_separate_in_all_runs() -> None:
    found = {s.name: s.values for s in differing(lr(2e-4), lr(2e-4, 1e-4))}
    assert found == {"d_lr": (2e-4, 1e-4)}


def test_axes_are_the_fewest_settings_that_distinguish_the_runs() -> None:
    grid = [{**lr(rate), "batch_size": size} for rate in (1e-4, 2e-4) for size in (64, 128)]
    found = differing(*grid)
    axes = settings.choose_axes(found)
    assert [a.name for a in axes] == ["lr", "batch_size"]
    assert settings.labels(axes, ["a", "b", "c", "d"])[:2] == [
        "lr 1e-4 · batch size 64",
        "lr 1e-4 · batch size 128",
    ]
    # Settings varied by a sweep come first.
    assert [a.name for a in settings.choose_axes(found, ["batch_size"])] == ["batch_size", "lr"]


def test_settings_determined_by_the_model_are_not_axes() -> None:
    changes = [
        {"model": "wgan", "loss": {"name": "wgan", "clip": 0.01}, **lr(5e-5)},
        {"model": "wgan-gp", "loss": {"name": "wgan-gp", "gp_weight": 10.0}, **lr(1e-4)},
    ]
    found = differing(*changes)
    assert [a.name for a in settings.choose_axes(found)] == ["model"]
    assert settings.labels(settings.choose_axes(found), ["x", "y"]) == ["wgan", "wgan-gp"]
    assert {s.name for s in found} == {"model", "loss", "loss.clip", "loss.gp_weight", "lr"}


def test_epochs_and_seed_are_axes_only_if_nothing_else_distinguishes_the_runs() -> None:
    axes = settings.choose_axes(
        differing({"seed": 0, "epochs": 4, **lr(1e-4)}, {"seed": 1, "epochs": 8, **lr(2e-4)})
    )
    assert [a.name for a in axes] == ["lr"]
    axes = settings.choose_axes(differing({"seed": 0}, {"seed": 1}, {"seed": 2}))
    assert settings.labels(axes, ["a", "b", "c"]) == ["seed 0", "seed 1", "seed 2"]


def test_runs_with_equal_settings_are_labeled_with_their_names() -> None:
    assert settings.labels(settings.choose_axes(differing({}, {})), ["a", "b"]) == ["a", "b"]
    axes = settings.choose_axes(differing({}, {}, {"seed": 1}))
    assert settings.labels(axes, ["a", "b", "c"]) == ["seed 0 (a)", "seed 0 (b)", "seed 1"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2e-4, "2e-4"), (0.00015, "1.5e-4"), (0.01, "0.01"), (0.0, "0"), (1e-8, "1e-8"), (128, "128"), (True, "yes"),
        (None, "–"), ([512, 256], "512, 256"), ([], "none"), ("none", "none"), ({"a": 0.5}, "a 0.5"), (-3e-5, "-3e-5"),
    ],
)  # fmt: skip
def test_values_are_formatted_concisely(value: Any, text: str) -> None:
    assert settings.format_value(value) == text
