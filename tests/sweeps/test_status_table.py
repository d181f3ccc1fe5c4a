"""Test the status table shown in a terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from helpers.fake_sweeps import fake_sweep
from rich.console import Console

from ganctl.sweeps.folder import Sweep
from ganctl.sweeps.progress import read_rows
from ganctl.sweeps.status_table import draw_table


def drawn_lines(sweep: Sweep, width: int, height: int = 40) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, height=height)
    console.print(draw_table(sweep, read_rows(sweep), width, height))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_table_shows_every_run(tmp_path: Path) -> None:
    lines = drawn_lines(fake_sweep(tmp_path), 100)
    assert lines[0].split() == [
        "lr",
        "progress",
        "epoch",
        "G",
        "loss",
        "D",
        "loss",
        "D(x)",
        "D(G(z))",
        "images/s",
    ]
    assert lines[1].split() == ["1e-4", "finished", "2.00", "0.500", "nan", "0.875", "0.125", "200"]
    assert lines[2].startswith("2e-4  failed")
    assert "50%" in lines[3]
    assert lines[3].split()[-1] == "100"
    assert "stopped at 25%" in lines[4]
    assert lines[5].split() == ["5e-4", "waiting"]
    assert lines[7].startswith("1 of 6 finished, 1 failed, 1 running, ")
    assert lines[7].endswith(" left")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_table_fits_the_width(width: int, tmp_path: Path) -> None:
    lines = drawn_lines(fake_sweep(tmp_path), width)
    assert len(lines) == 8  # lines are not wrapped
    assert max(map(len, lines)) <= width
    assert lines[0].count("D(") == (1 if width == 40 else 2)
    assert ("images/s" in lines[0]) == (width >= 80)


def test_many_settings_are_replaced_by_the_run_name(tmp_path: Path) -> None:
    sweep = fake_sweep(tmp_path)
    wide = Sweep(sweep.path, {}, {"a" * 30: ["1", "2"], "b" * 30: ["1", "2"]}, sweep.entries, 1)
    assert drawn_lines(wide, 80)[1].startswith("lr=1e-4")


def test_small_terminal_shows_running_runs_first(tmp_path: Path) -> None:
    lines = drawn_lines(fake_sweep(tmp_path, 60), 80, 12)
    assert len(lines) <= 12
    shown = [line.split()[0] for line in lines[1:-1]]
    assert shown == ["2e-4", "3e-4", "4e-4", "5e-4", "6e-4", "7e-4", "8e-4", "9e-4"]
    assert lines[-1].endswith("; 52 not shown")
