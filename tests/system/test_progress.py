"""Test progress bars on a closed terminal and the estimate of the remaining time."""

from __future__ import annotations

import sys

import pytest

from ganctl.system.progress import BarReporter, LineReporter, Reporter


class Closed:
    """A closed terminal."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")

    def flush(self) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("make", [BarReporter, LineReporter])
def test_closed_stderr_does_not_stop_a_training_run(
    make: type[Reporter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", Closed())
    reporter, done = make(), 0
    reporter.say("started")
    with reporter.bar("training", 3) as advance:
        for _ in range(3):
            reporter.show({"G loss": "0.7"})
            advance(1)
            done += 1
    assert done == 3


def test_remaining_time_of_a_bar_in_seconds_does_not_depend_on_the_clock(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reporter = LineReporter(verbose=True)
    with reporter.bar("gan", 240, seconds=True) as advance:
        reporter.show({"epoch": "1"})
        advance(60)
    assert capsys.readouterr().err == "gan 1:00 of 4:00  epoch 1  3:00 left\n"
