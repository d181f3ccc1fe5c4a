"""Test grids, zipped values, random draws and seeds."""

from __future__ import annotations

import math

import pytest

from ganctl.sweeps.combinations import combinations
from ganctl.sweeps.variation import merge_variations, parse_options


def test_grid_has_every_combination_and_the_last_setting_changes_fastest() -> None:
    rows = combinations(merge_variations(parse_options(grid=["lr=1e-4,2e-4", "batch-size=16, 32"])))
    assert rows == [
        {"lr": "1e-4", "batch_size": "16"},
        {"lr": "1e-4", "batch_size": "32"},
        {"lr": "2e-4", "batch_size": "16"},
        {"lr": "2e-4", "batch_size": "32"},
    ]


def test_zip_pairs_values_and_seeds_repeat_every_combination() -> None:
    options = parse_options(zip=["lr=1e-4,2e-4", "batch-size=16,32"], seeds="2")
    rows = combinations(merge_variations(options), seed=7)
    assert [tuple(row.values()) for row in rows] == [
        ("1e-4", "16", "7"),
        ("1e-4", "16", "8"),
        ("2e-4", "32", "7"),
        ("2e-4", "32", "8"),
    ]


def test_draws_are_reproducible_and_do_not_depend_on_their_number() -> None:
    def draws(n: int, seed: int = 0) -> list[dict[str, str]]:
        options = parse_options(ranges=["lr=1e-5..1e-3", "batch-size=16..64"], random=n)
        return combinations(merge_variations(options), seed=seed)

    assert draws(5) == draws(5)
    assert draws(8)[:5] == draws(5)
    assert draws(5, seed=1) != draws(5)


def test_draws_have_the_requested_distribution() -> None:
    options = parse_options(
        ranges=[
            "lr=1e-5..1e-3",
            "g_lr=1e-5..1e-3:uniform",
            "loss.b=0..0.5",
            "n-critic=1..4",
            "optimizer=adam,sgd",
        ],
        random=400,
    )
    rows = combinations(merge_variations(options))
    below = {name: sum(float(row[name]) < 1e-4 for row in rows) for name in ("lr", "g_lr")}
    assert 140 < below["lr"] < 260  # half of the log-uniform range
    assert 15 < below["g_lr"] < 65  # a tenth of the uniform range
    assert all(1e-5 <= float(row["lr"]) <= 1e-3 for row in rows)
    assert all(len(row["lr"].partition("e")[0].replace(".", "").strip("0")) <= 3 for row in rows)
    assert math.isclose(sum(float(row["loss.b"]) for row in rows) / 400, 0.25, abs_tol=0.03)
    assert {row["n_critic"] for row in rows} == {"1", "2", "3", "4"}
    assert {row["optimizer"] for row in rows} == {"adam", "sgd"}


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-4, "1e-4"), (2.5e-5, "2.5e-5"), (0.05, "0.05"), (1.0, "1.0"), (1 / 300, "0.0033333333333333335")],
)
def test_numbers_in_a_file_are_formatted_concisely(value: float, text: str) -> None:
    (row,) = combinations(merge_variations({"grid": {"lr": [value]}}))
    assert row == {"lr": text}
    assert float(text) == value
