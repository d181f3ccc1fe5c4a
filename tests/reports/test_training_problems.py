"""Test that problems are found in unusual runs and not in healthy runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import fake_runs

from ganctl.reports import samples_over_epochs, training_problems
from ganctl.runs import read_run


def make(path: Path, **made: Any) -> Path:
    """Write a run of 2,000 steps, which is long enough for findings."""
    status = {"step": 2000, "total": 2000, **made.pop("status", {})}
    return fake_runs.make(
        path, **{"steps": range(100, 2001, 100), "steps_per_epoch": 500, "status": status, **made}
    )


def detect(path: Path, **made: Any) -> list[tuple[str, str]]:
    h = read_run.read(make(path, **made))
    return [
        (f.level, f.text) for f in training_problems.detect(h, samples_over_epochs.collect([h]).series[0])
    ]


GOOD = ("good", training_problems.NOTHING_UNUSUAL)
RAW: dict[str, Any] = {"config": {"loss": {"name": "wgan"}}}


def after(step: int, **values: Any) -> Callable[[int], dict[str, Any]]:
    names = {"real": "D(x)", "fake": "D(G(z))"}
    return lambda s: {names.get(k, k): v for k, v in values.items()} if s > step else {}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ({}, GOOD),
        ({"record": after(800, real=0.99, fake=0.004)}, ("bad", "D wins since step 900: D(G(z)) stays below 0.01.")),
        ({"record": after(0, real=0.99, fake=0.0)}, ("bad", "D wins from the beginning: D(G(z)) stays below 0.01.")),
        ({"record": after(1900, real=0.99, fake=0.004)}, GOOD),  # only one line
        ({"record": after(800, real=0.5, fake=0.004)}, GOOD),  # D also rejects reals
        (
            {"record": lambda s: {"D(x)": 0.99, "D(G(z))": 0.001} if 400 < s < 1200 else {}},
            ("warn", "D was far ahead from step 500 to step 1,100: D(G(z)) was below 0.01. G recovered."),
        ),
        (
            {"record": after(1000, real=0.505, fake=0.495)},
            ("info", "D cannot distinguish fakes from reals since step 1,100: its mean output is 0.51 for both."),
        ),
        (
            {"record": after(1000, g_loss="nan")},
            ("bad", "Values are not finite from step 1,100: g_loss."),
        ),
        ({**RAW, "record": lambda s: {"D(x)": 1.4, "D(G(z))": -0.4}}, GOOD),
        ({**RAW, "record": after(0, real=0.99, fake=0.004)}, GOOD),  # not probabilities
        (
            {**RAW, "record": lambda s: {"D(x)": 2.0 ** (s / 100), "D(G(z))": -1.0}},
            ("bad", "The outputs of D grow without bound: D(x) grew from about 4 to 1.05e+06."),
        ),
        (
            {"distinct": (1, None, None, 3, 2)},
            ("bad", "Mode collapse since epoch 3: of the 16 samples at epoch 4, only about 2 are distinct. "
             "Before that, 16 were distinct."),
        ),
        (
            {"distinct": (1, 1, 1, 1, 1)},
            ("warn", "Mode collapse, or too few steps: of the 16 samples at epoch 4, only about 1 is distinct. "
             "The number was never much higher before."),
        ),
        ({"distinct": (1,), "epochs": 0}, GOOD),  # all samples are similar before the first step
        ({"status": {"state": "running"}, "steps": range(100, 1201, 100), "epochs": 2},
         ("warn", "The run was killed at step 1,200 of 2,000. It can be resumed from its last checkpoint.")),
    ],
)  # fmt: skip
def test_run_has_the_expected_finding(
    tmp_path: Path, made: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert detect(tmp_path / "run", **made)[0] == expected


def test_blank_samples_are_reported(tmp_path: Path) -> None:
    from PIL import Image

    path = make(tmp_path / "run")
    Image.new("L", fake_runs.grid(0).size).save(path / "samples" / "epoch-0004-step-00002000.png")
    h = read_run.read(path)
    assert (
        training_problems.detect(h, samples_over_epochs.collect([h]).series[0])[0].text
        == "The samples at epoch 4 are blank."
    )


def test_mode_collapse_is_not_reported_without_reals(tmp_path: Path) -> None:
    path = make(tmp_path / "run", distinct=(1, 1, 1, 1, 1))
    (path / "real.png").unlink()
    h = read_run.read(path)
    assert [
        (f.level, f.text) for f in training_problems.detect(h, samples_over_epochs.collect([h]).series[0])
    ] == [GOOD]


def test_samples_after_few_steps_have_no_findings(tmp_path: Path) -> None:
    early: dict[str, Any] = {
        "steps": range(5, 101, 5),
        "steps_per_epoch": 25,
        "status": {"step": 100, "total": 100},
    }
    few = (
        "info",
        "The run has 100 steps. Samples usually become recognizable within 1,000 steps.",
    )
    assert detect(tmp_path / "same", distinct=(1, 1, 1, 1, 1), **early) == [few, GOOD]
    assert detect(tmp_path / "later", distinct=(1, 16, 16, 16, 2), **early) == [few, GOOD]
    assert detect(tmp_path / "wins", record=after(40, real=0.99, fake=0.004), **early) == [few, GOOD]
    h = read_run.read(tmp_path / "same")
    advice = training_problems.detect(h)[0].advice
    assert advice == f"To train longer: ganctl train --resume {tmp_path / 'same'} --steps 1000"


def test_gray_samples_are_not_reported_as_collapsed(tmp_path: Path) -> None:
    from PIL import Image

    path = make(tmp_path / "run", distinct=(1, 1, 1, 1, 1))
    for file in (path / "samples").iterdir():
        Image.open(file).point([112 + v // 8 for v in range(256)]).save(file)
    h = read_run.read(path)
    found = training_problems.detect(h, samples_over_epochs.collect([h]).series[0])
    assert found[0].kind == "The samples are not images yet"
    assert found[0].level == "info"
    assert not any("collapse" in f.text for f in found)


@pytest.mark.parametrize(
    "made",
    [
        {"record": after(800, real=0.99, fake=0.004)},
        {"record": after(1000, g_loss="nan")},
        {"distinct": (1, 16, 16, 3, 2)},
        {"distinct": (1, 1, 1, 1, 1)},
        {**RAW, "record": lambda s: {"D(x)": 2.0 ** (s / 100), "D(G(z))": -1.0}},
        {"status": {"state": "running"}},
        {"status": {"state": "stopped"}},
    ],
)
def test_each_problem_has_a_kind_and_a_suggestion(tmp_path: Path, made: dict[str, Any]) -> None:
    h = read_run.read(make(tmp_path / "run", **made))
    worst = training_problems.detect(h, samples_over_epochs.collect([h]).series[0])[0]
    assert worst.level in ("bad", "warn")
    assert worst.kind
    assert worst.advice
