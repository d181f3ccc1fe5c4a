"""From what varies to runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from ganctl.errors import USAGE, GanctlError
from ganctl.plugin import discovery
from ganctl.sweeps.plan import Planned, combinations, from_text, plan, title, varied
from ganctl.sweeps.runner import asked_for
from ganctl.system import toml

GIVEN = {"model": "gan", "data": "glyphs"}


def planned(
    *, given: dict[str, Any] | None = None, options: tuple[str, ...] = (), **vary: Any
) -> list[Planned]:
    wanted = varied(from_text(**vary))
    return plan(discovery.registry(), wanted, [], {**GIVEN, **(given or {})}, options)


def test_a_grid_is_every_combination_the_last_changing_fastest() -> None:
    rows = combinations(varied(from_text(grid=["lr=1e-4,2e-4", "batch-size=16, 32"])))
    assert rows == [
        {"lr": "1e-4", "batch_size": "16"},
        {"lr": "1e-4", "batch_size": "32"},
        {"lr": "2e-4", "batch_size": "16"},
        {"lr": "2e-4", "batch_size": "32"},
    ]


def test_pairs_go_side_by_side_and_seeds_repeat_everything() -> None:
    rows = combinations(varied(from_text(zip=["lr=1e-4,2e-4", "batch-size=16,32"], seeds="2")), seed=7)
    assert [tuple(row.values()) for row in rows] == [
        ("1e-4", "16", "7"),
        ("1e-4", "16", "8"),
        ("2e-4", "32", "7"),
        ("2e-4", "32", "8"),
    ]


def test_values_reach_the_runs_as_if_typed() -> None:
    runs = planned(grid=["optimizer=adam,rmsprop", "generator.hidden=8,16;32"])
    assert [run.config.g_optimizer.name for run in runs] == ["adam", "adam", "rmsprop", "rmsprop"]
    assert [run.config.generator.options["hidden"] for run in runs] == [(8, 16), (32,)] * 2
    assert [run.name for run in runs][:2] == [
        "optimizer=adam,generator.hidden=8-16",
        "optimizer=adam,generator.hidden=32",
    ]
    (only,) = planned(grid=["lr=1e-3"], given={"d_lr": "5e-4"})
    assert (only.config.g_optimizer.options["lr"], only.config.d_optimizer.options["lr"]) == (1e-3, 5e-4)


def test_models_vary_too() -> None:
    runs = plan(
        discovery.registry(),
        varied(from_text(grid=["model=wgan,wgan-gp"], seeds=2)),
        [],
        {"data": "glyphs", "lr": "5e-5"},
    )
    assert [run.config.loss.name for run in runs] == [
        "wgan",
        "wgan",
        "wgan-gp",
        "wgan-gp",
    ]
    assert [run.config.seed for run in runs] == [0, 1, 0, 1]
    assert title(runs) == "wgan-wgan-gp-glyphs"


def test_draws_are_repeatable_and_more_of_them_begin_with_the_same() -> None:
    def draws(n: int, seed: int = 0) -> list[dict[str, str]]:
        return combinations(
            varied(from_text(ranges=["lr=1e-5..1e-3", "batch-size=16..64"], random=n)), seed=seed
        )

    assert draws(5) == draws(5)
    assert draws(8)[:5] == draws(5)
    assert draws(5, seed=1) != draws(5)


def test_where_draws_come_from() -> None:
    wanted = from_text(
        ranges=[
            "lr=1e-5..1e-3",
            "g_lr=1e-5..1e-3:uniform",
            "loss.b=0..0.5",
            "n-critic=1..4",
            "optimizer=adam,sgd",
        ],
        random=400,
    )
    rows = combinations(varied(wanted))
    below = {name: sum(float(row[name]) < 1e-4 for row in rows) for name in ("lr", "g_lr")}
    assert 140 < below["lr"] < 260  # half of the logarithm
    assert 15 < below["g_lr"] < 65  # a tenth of the range
    assert all(1e-5 <= float(row["lr"]) <= 1e-3 for row in rows)
    assert all(len(row["lr"].partition("e")[0].replace(".", "").strip("0")) <= 3 for row in rows)
    assert math.isclose(sum(float(row["loss.b"]) for row in rows) / 400, 0.25, abs_tol=0.03)
    assert {row["n_critic"] for row in rows} == {"1", "2", "3", "4"}
    assert {row["optimizer"] for row in rows} == {"adam", "sgd"}


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-4, "1e-4"), (2.5e-5, "2.5e-5"), (0.05, "0.05"), (1.0, "1.0"), (1 / 300, "0.0033333333333333335")],
)
def test_numbers_of_a_file_are_written_as_people_do(value: float, text: str) -> None:
    (row,) = combinations(varied({"grid": {"lr": [value]}}))
    assert row == {"lr": text}
    assert float(text) == value


@pytest.mark.parametrize(
    ("vary", "words"),
    [
        ({"grid": ["lr"]}, ["--grid lr", "lr=1e-4,2e-4"]),
        ({"grid": ["lr="]}, ["--grid lr="]),
        ({"grid": ["learning-rate=1"]}, ["learning-rate", "generator.width"]),
        ({"grid": ["batchsize=1"]}, ["batchsize", "Did you mean 'batch-size'?"]),
        ({"grid": ["genrator.width=8"]}, ["genrator", "Did you mean 'generator'?"]),
        ({"grid": ["generator.hiden=8"]}, ["In the run generator.hiden=8", "Did you mean 'hidden'?"]),
        ({"grid": ["model=gna,gan"]}, ["In the run model=gna", "Did you mean 'gan'?"]),
        ({"grid": ["lr=1e-4,x"]}, ["In the run lr=x", "lr is 'x', which is not float"]),
        ({"grid": ["lr=1e-4,1e-4"]}, ["lr has 1e-4 twice"]),
        ({"grid": ["lr=1e-4,0.0001"]}, ["lr=1e-4 and lr=0.0001 would be the same"]),
        ({"grid": ["lr=1e-4", "lr=2e-4"]}, ["--grid lr was given twice"]),
        ({"grid": ["batch-size=8"], "zip": ["batch-size=16", "lr=1e-4"]}, ["batch-size is in grid and in zip"]),
        ({"zip": ["lr=1e-4,2e-4", "batch-size=8"]}, ["lr has 2, batch-size has 1", "--grid"]),
        ({"ranges": ["lr=1e-5..1e-3"]}, ["--random is missing"]),
        ({"random": "3"}, ["--range is missing"]),
        ({"random": "x", "ranges": ["lr=1e-5..1e-3"]}, ["random is 'x'"]),
        ({"random": 3, "ranges": ["lr=1e-3..1e-5"]}, ["1e-3..1e-5, is not LOW..HIGH"]),
        ({"random": 3, "ranges": ["lr=0..1:log"]}, ["no logarithm"]),
        ({"random": 5, "ranges": ["n-critic=1..3"]}, ["only 3 different", "--random 3"]),
        ({"seeds": "0"}, ["seeds is '0'"]),
        ({"seeds": 2, "grid": ["seed=1,2"]}, ["Both seeds and values of seed"]),
        ({}, ["Nothing varies", "--grid lr=1e-4,2e-4"]),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(vary: dict[str, Any], words: list[str]) -> None:
    given = {"data": "glyphs"} if "model" in str(vary) else GIVEN
    with pytest.raises(GanctlError) as error:
        plan(discovery.registry(), varied(from_text(**vary)), [], given)
    assert error.value.status == USAGE
    for word in words:
        assert word in str(error.value)


def test_what_is_given_for_all_does_not_vary() -> None:
    with pytest.raises(GanctlError, match="lr is given for all runs, and varies"):
        planned(grid=["lr=1e-4,2e-4"], given={"lr": "1e-3"})
    with pytest.raises(GanctlError, match=r"generator.hidden is given"):
        planned(grid=["generator.hidden=8;16"], options=("generator.hidden=4",))


def test_names_are_folders_and_never_the_same() -> None:
    runs = planned(grid=["lr-schedule=linear 0;cosine 0 over 9"])
    assert [run.name for run in runs] == ["lr-schedule=linear-0", "lr-schedule=cosine-0-over-9"]
    alike = planned(grid=["schedules.lr=linear 0;linear  0"])
    assert [run.name for run in alike] == ["schedules.lr=linear-0", "schedules.lr=linear-0-2"]
    wide = planned(grid=[f"generator.hidden={','.join(['16'] * 90)};{','.join(['16'] * 91)}"])
    assert all(len(run.name) < 140 for run in wide)
    assert len({run.name for run in wide}) == 2


def test_a_file_says_what_varies_and_the_command_line_over_it(tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(
        'model = "gan"\ndata = "glyphs"\nepochs = 3\nseeds = 2\n[generator]\nhidden = [8]\n'
        '[grid]\nlr = [1e-4, 2e-4]\n"discriminator.hidden" = [[8, 4], [4]]\n'
    )
    request = asked_for(file, {}, {})
    assert len(request.planned) == 8
    assert request.planned[0].values == {"lr": "1e-4", "discriminator.hidden": "8,4", "seed": "0"}
    assert request.planned[0].config.discriminator.options["hidden"] == (8, 4)
    over = asked_for(file, from_text(zip=["lr=1e-3"], seeds=1), {"epochs": "5"}, ["generator.hidden=4"])
    assert [each.values for each in over.planned] == [
        {"discriminator.hidden": "8,4", "lr": "1e-3"},
        {"discriminator.hidden": "4", "lr": "1e-3"},
    ]
    assert {(each.config.epochs, each.config.generator.options["hidden"]) for each in over.planned} == {
        (5, (4,))
    }

    again = tmp_path / "again.toml"  # what a sweep writes down asks for the same
    again.write_text(toml.write(over.asked, {}))
    assert [each.config for each in asked_for(again, {}, {}).planned] == [
        each.config for each in over.planned
    ]
    assert over.asked["epochs"] == 5


def test_a_plain_file_of_settings_will_do(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('model = "gan"\ndata = "glyphs"\nlr = 1e-3\n')
    assert len(asked_for(file, from_text(grid=["lr=1e-4,2e-4"]), {}).planned) == 2
    file.write_text('model = "gan"\ngrid = "lr"\n')
    with pytest.raises(GanctlError, match="grid is 'lr'"):
        asked_for(file, {}, {})
