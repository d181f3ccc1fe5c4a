"""Test the status displays: lines, a live table, or no output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.fake_sweeps import fake_sweep

from ganctl.sweeps import status_display


def test_status_is_printed_as_lines_without_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_display, "SUMMARY_INTERVAL", 0.0)
    monkeypatch.setattr(status_display, "READ_INTERVAL", 0.0)
    sweep = fake_sweep(tmp_path)
    lines = status_display.LineDisplay()
    with lines.showing(sweep):
        assert capsys.readouterr().err == ""
        sweep.entries[2].end_file.write_text('{"state": "finished"}')
        sweep.entries[3].end_file.write_text('{"state": "failed", "message": "Out of memory."}')
        sweep.entries[4].worker_file.write_text(
            json.dumps({"machine": "another boot", "pid": 7, "host": "there"})
        )
        lines.update()
    assert capsys.readouterr().err.splitlines()[:4] == [
        "lr=3e-4  finished  epoch 1.00  G loss 0.500  D loss nan  D(x) 0.875  D(G(z)) 0.125  images/s 200",
        "lr=4e-4  failed: Out of memory.",
        "lr=5e-4  started by there",
        "2 of 6 finished, 2 failed, 1 running, 0:23 left",
    ]


def test_failures_are_printed_above_the_live_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    sweep = fake_sweep(tmp_path)
    live = status_display.TableDisplay()
    with live.showing(sweep):
        live.update()
        sweep.entries[2].end_file.write_text('{"state": "failed", "message": "Out of memory."}')
    err = capsys.readouterr().err
    assert "3e-4  failed: Out of memory." in err
    assert "1 of 6 finished, 2 failed" in err


def test_display_depends_on_stderr() -> None:
    assert isinstance(status_display.make_display(), status_display.LineDisplay)  # stderr is not a terminal
    assert type(status_display.make_display(quiet=True)) is status_display.Display
