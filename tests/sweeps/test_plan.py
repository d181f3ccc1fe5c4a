"""Test planned runs: settings, names and invalid variations."""

from __future__ import annotations

from typing import Any

import pytest

from ganctl.errors import USAGE, GanctlError
from ganctl.plugin import discovery
from ganctl.sweeps.naming import sweep_name
from ganctl.sweeps.plan import PlannedRun, plan
from ganctl.sweeps.variation import merge_variations, parse_options

GIVEN = {"model": "gan", "data": "glyphs"}


def planned(
    *, given: dict[str, Any] | None = None, options: tuple[str, ...] = (), **vary: Any
) -> list[PlannedRun]:
    registry = discovery.registry()
    variation = merge_variations(parse_options(**vary), regularizers=registry.names("regularizer"))
    return plan(registry, variation, [], {**GIVEN, **(given or {})}, options)


def test_values_are_parsed_like_command_line_options() -> None:
    runs = planned(grid=["optimizer=adam,rmsprop", "generator.hidden=8,16;32"])
    assert [run.config.g_optimizer.name for run in runs] == ["adam", "adam", "rmsprop", "rmsprop"]
    assert [run.config.generator.options["hidden"] for run in runs] == [(8, 16), (32,)] * 2
    assert [run.name for run in runs][:2] == [
        "optimizer=adam,generator.hidden=8-16",
        "optimizer=adam,generator.hidden=32",
    ]
    (only,) = planned(grid=["lr=1e-3"], given={"d_lr": "5e-4"})
    assert (only.config.g_optimizer.options["lr"], only.config.d_optimizer.options["lr"]) == (1e-3, 5e-4)


def test_values_have_the_types_of_the_settings() -> None:
    grid = [
        "deterministic=yes",
        "ema=none",
        "batch-size=8",
        "lr=1",
        "optimizer.betas=0,0.9;0,0",
        "loss=hinge",
    ]
    run, _ = planned(grid=grid)
    assert run.values == {
        "deterministic": True, "ema": None, "batch_size": 8, "lr": 1.0, "optimizer.betas": [0.0, 0.9], "loss": "hinge",
    }  # fmt: skip
    assert isinstance(run.values["lr"], float)
    assert run.texts["ema"] == "none"


def test_regularizer_options_can_be_varied() -> None:
    runs = planned(
        grid=["r1.gamma=1,10", "gradient-penalty.every=4"], given={"regularizers": ("r1", "gradient-penalty")}
    )
    assert [run.config.regularizers[0].options["gamma"] for run in runs] == [1.0, 10.0]
    assert [run.config.regularizers[1].options["every"] for run in runs] == [4, 4]
    assert runs[1].values == {"r1.gamma": 10.0, "gradient_penalty.every": 4}
    with pytest.raises(GanctlError, match="there is no part 'r3'"):
        planned(grid=["r3.gamma=1"])


def test_regularizers_can_be_varied() -> None:
    runs = planned(grid=["regularizer=r1,lecam,none"])
    names = [[spec.name for spec in run.config.regularizers] for run in runs]
    assert names == [["r1"], ["lecam"], []]
    with pytest.raises(GanctlError, match="regularizer varies, but was also set"):
        planned(grid=["regularizer=r1,lecam"], given={"regularizers": ("r1",)})


def test_model_can_be_varied() -> None:
    runs = plan(
        discovery.registry(),
        merge_variations(parse_options(grid=["model=wgan,wgan-gp"], seeds=2)),
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
    assert sweep_name(runs) == "wgan-wgan-gp-glyphs"


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
        ({"grid": ["lr=1e-4,x"]}, ["In the run lr=x", "lr is 'x'; expected float"]),
        ({"grid": ["lr=1e-4,1e-4"]}, ["lr has the value 1e-4 twice"]),
        ({"grid": ["lr=1e-4,0.0001"]}, ["lr=1e-4 and lr=0.0001 have the same settings"]),
        ({"grid": ["lr=1e-4", "lr=2e-4"]}, ["--grid lr was given twice"]),
        ({"grid": ["batch-size=8"], "zip": ["batch-size=16", "lr=1e-4"]}, ["batch-size is in grid and in zip"]),
        ({"zip": ["lr=1e-4,2e-4", "batch-size=8"]}, ["lr has 2, batch-size has 1", "--grid"]),
        ({"ranges": ["lr=1e-5..1e-3"]}, ["--random is missing"]),
        ({"random": "3"}, ["--range is missing"]),
        ({"random": "x", "ranges": ["lr=1e-5..1e-3"]}, ["random is 'x'"]),
        ({"random": 3, "ranges": ["lr=1e-3..1e-5"]}, ["1e-3..1e-5, is not of the form LOW..HIGH"]),
        ({"random": 3, "ranges": ["lr=0..1:log"]}, ["cannot be sampled log-uniformly"]),
        ({"random": 5, "ranges": ["n-critic=1..3"]}, ["only 3 distinct", "--random 3"]),
        ({"seeds": "0"}, ["seeds is '0'"]),
        ({"seeds": 2, "grid": ["seed=1,2"]}, ["Both seeds and values of seed"]),
        ({}, ["Nothing varies", "--grid lr=1e-4,2e-4"]),
    ],
)  # fmt: skip
def test_invalid_variations_are_errors(vary: dict[str, Any], words: list[str]) -> None:
    given = {"data": "glyphs"} if "model" in str(vary) else GIVEN
    with pytest.raises(GanctlError) as error:
        plan(discovery.registry(), merge_variations(parse_options(**vary)), [], given)
    assert error.value.status == USAGE
    for word in words:
        assert word in str(error.value)


def test_setting_cannot_be_both_fixed_and_varied() -> None:
    with pytest.raises(GanctlError, match="lr varies, but was also set for all runs"):
        planned(grid=["lr=1e-4,2e-4"], given={"lr": "1e-3"})
    with pytest.raises(GanctlError, match=r"generator.hidden varies"):
        planned(grid=["generator.hidden=8;16"], options=("generator.hidden=4",))


def test_names_are_valid_and_distinct() -> None:
    runs = planned(grid=["lr-schedule=linear 0;cosine 0 over 9"])
    assert [run.name for run in runs] == ["lr-schedule=linear-0", "lr-schedule=cosine-0-over-9"]
    similar = planned(grid=["schedules.lr=linear 0;linear  0"])
    assert [run.name for run in similar] == ["schedules.lr=linear-0", "schedules.lr=linear-0-2"]
    wide = planned(grid=[f"generator.hidden={','.join(['16'] * 90)};{','.join(['16'] * 91)}"])
    assert all(len(run.name) < 140 for run in wide)
    assert len({run.name for run in wide}) == 2
