"""What is said of a run, and that nothing is said of a healthy one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import fake_runs

from ganctl.reports import findings, frames
from ganctl.runs import history


def said(path: Path, **made: Any) -> list[tuple[str, str]]:
    h = history.read(fake_runs.make(path, **made))
    return [(f.level, f.text) for f in findings.of(h, frames.make([h]).films[0])]


GOOD = ("good", "Nothing unusual in the curves and pictures.")
RAW: dict[str, Any] = {"config": {"loss": {"name": "wgan"}}}


def after(step: int, **values: Any) -> Callable[[int], dict[str, Any]]:
    names = {"real": "D(x)", "fake": "D(G(z))"}
    return lambda s: {names.get(k, k): v for k, v in values.items()} if s > step else {}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ({}, GOOD),
        ({"record": after(40, real=0.99, fake=0.004)}, ("bad", "D won after step 40: D(G(z)) stayed under 0.01.")),
        ({"record": after(0, real=0.99, fake=0.0)}, ("bad", "D won from the beginning: D(G(z)) stayed under 0.01.")),
        ({"record": after(95, real=0.99, fake=0.004)}, GOOD),  # a single line
        ({"record": after(40, real=0.5, fake=0.004)}, GOOD),  # D says no to everything: it did not win
        (
            {"record": lambda s: {"D(x)": 0.99, "D(G(z))": 0.001} if 20 < s < 60 else {}},
            ("warn", "D was far ahead after step 20, until step 55: D(G(z)) was under 0.01. G came back."),
        ),
        (
            {"record": after(50, real=0.505, fake=0.495)},
            ("info", "D could not tell fakes from reals after step 50: it answered 0.51 to both."),
        ),
        (
            {"record": after(50, g_loss="nan")},
            ("bad", "Not finite from step 55 on: g_loss."),
        ),
        ({**RAW, "record": lambda s: {"D(x)": 1.4, "D(G(z))": -0.4}}, GOOD),
        ({**RAW, "record": after(0, real=0.99, fake=0.004)}, GOOD),  # no probabilities
        (
            {**RAW, "record": lambda s: {"D(x)": 2.0 ** (s / 5), "D(G(z))": -1.0}},
            ("bad", "D's answers ran away: D(x) grew from about 4 to 1.05e+06."),
        ),
        (
            {"kinds": (1, None, None, 3, 2)},
            ("bad", "Mode collapse since epoch 3: of the 16 pictures of epoch 4 only about 2 are different; "
             "there were 16 before."),
        ),
        (
            {"kinds": (1, 1, 1, 1, 1)},
            ("warn", "Mode collapse, or too short a training: of the 16 pictures of epoch 4 only about 1 is different, "
             "and were never many more."),
        ),
        ({"kinds": (1,), "epochs": 0}, GOOD),  # before the first step all are alike
        ({"status": {"state": "running"}, "steps": range(5, 61, 5), "epochs": 2},
         ("warn", "It broke off at step 60 of 100 without a word, as a kill or a power cut does.")),
    ],
)  # fmt: skip
def test_what_is_said(tmp_path: Path, made: dict[str, Any], expected: tuple[str, str]) -> None:
    assert said(tmp_path / "run", **made)[0] == expected


def test_blank_pictures(tmp_path: Path) -> None:
    from PIL import Image

    path = fake_runs.make(tmp_path / "run")
    Image.new("L", fake_runs.grid(0).size).save(path / "samples" / "epoch-0004-step-00000100.png")
    h = history.read(path)
    assert findings.of(h, frames.make([h]).films[0])[0].text == "The pictures of epoch 4 are blank."


def test_nothing_is_said_of_pictures_that_cannot_be_told_apart_from_reals(tmp_path: Path) -> None:
    """No reals, or a picture that is no grid: no judgement."""
    path = fake_runs.make(tmp_path / "run", kinds=(1, 1, 1, 1, 1))
    (path / "real.png").unlink()
    h = history.read(path)
    assert [(f.level, f.text) for f in findings.of(h, frames.make([h]).films[0])] == [GOOD]
