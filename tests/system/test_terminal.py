"""Test that progress bars and live displays are used only on terminals that can redraw lines."""

from __future__ import annotations

import io
import sys

import pytest

from ganctl.sweeps.status_display import LineDisplay, TableDisplay, make_display
from ganctl.system.progress import BarReporter, LineReporter, make_reporter


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "term", "redraws"),
    [
        (Terminal(), "xterm-256color", True),
        (Terminal(), "dumb", False),
        (Terminal(), "unknown", False),
        (io.StringIO(), "xterm-256color", False),
    ],
)
def test_bars_are_used_only_on_terminals_that_can_redraw_lines(
    stream: io.StringIO, term: str, redraws: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys, "stderr", stream)
    assert type(make_reporter()) is (BarReporter if redraws else LineReporter)
    assert type(make_display()) is (TableDisplay if redraws else LineDisplay)


@pytest.mark.parametrize("no_color", [True, False])
def test_bar_fits_in_40_columns_and_respects_no_color(
    no_color: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "20")
    monkeypatch.setenv("NO_COLOR", "1" if no_color else "")
    monkeypatch.setattr(sys, "stderr", Terminal())
    reporter = make_reporter()
    assert isinstance(reporter, BarReporter)
    with reporter.bar("a-model-with-a-long-name on a-dataset-with-a-long-name", 100) as advance:
        reporter.show({"epoch": "1.00", "G loss": "0.693", "D loss": "0.693", "D(x)": "0.500"})
        advance(50)
        lines = reporter.console.render_lines(_live(reporter), pad=False)
    assert all(sum(segment.cell_length for segment in line) <= 40 for line in lines)
    assert " 50/100 " in "".join(segment.text for segment in lines[0])
    assert ("\x1b[3" in sys.stderr.getvalue()) is not no_color  # type: ignore[attr-defined]


def _live(reporter: BarReporter) -> object:
    return reporter.console._live_stack[-1].get_renderable()
