"""What a person sees of a sweep, and what is read for it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ganctl.runs.folder import Run
from ganctl.sweeps import status_table
from ganctl.sweeps.folder import Entry, Sweep, last_record, this_machine
from ganctl.sweeps.status_table import Row, as_table, rows, seconds_left, summary


def make(path: Path, n: int = 6) -> Sweep:
    """``n`` runs of 100 steps: the first done, the second failed, the third at work, the fourth stopped."""
    (path / "queue").mkdir(parents=True)
    entries = []
    for i in range(n):
        name = f"lr={i + 1}e-4"
        entry = Entry(name, {"lr": f"{i + 1}e-4"}, Run(path / name), 100, 20, path / "queue")
        entry.run.samples_dir.mkdir(parents=True)
        entries.append(entry)
    done, failed, running, stopped = entries[:4]
    for entry, step, seconds in (
        (done, 100, 10.0),
        (failed, 20, 2.0),
        (running, 50, 10.0),
        (stopped, 25, 4.0),
    ):
        (entry.run.samples_dir / "x.png").touch()
        values = {
            "step": step,
            "epoch": step / 50,
            "g_loss": 0.5,
            "d_loss": "nan",
            "D(x)": 0.875,
            "D(G(z))": 0.125,
        }
        entry.run.losses_file.write_text(json.dumps({"step": 1}) + "\n" + json.dumps(values) + "\n")
        timing = {"step": step, "seconds": seconds, "images_per_second": 100.0}
        entry.run.timing_file.write_text(json.dumps(timing) + "\n")
    done.end_file.write_text('{"state": "done"}')
    failed.end_file.write_text('{"state": "failed", "message": "It diverged."}')
    running.worker_file.write_text(
        json.dumps({"machine": this_machine(), "pid": os.getpid(), "host": "here"})
    )
    stopped.worker_file.write_text(json.dumps({"machine": this_machine(), "pid": 2**22 + 1, "host": "here"}))
    return Sweep(path, {}, {"lr": [entry.values["lr"] for entry in entries]}, entries, 1)


def drawn(sweep: Sweep, width: int, height: int = 40) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, height=height)
    console.print(as_table(sweep, rows(sweep), width, height))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_states(tmp_path: Path) -> None:
    sweep = make(tmp_path)
    assert [entry.state for entry in sweep] == ["done", "failed", "running", "stopped", "waiting", "waiting"]
    assert sweep.entries[1].reason == "It diverged."
    assert sweep.entries[2].last["seconds"] == 10.0
    assert sweep.entries[4].last == {}


def test_the_table(tmp_path: Path) -> None:
    lines = drawn(make(tmp_path), 100)
    assert lines[0].split() == [
        "lr",
        "progress",
        "epoch",
        "g",
        "loss",
        "d",
        "loss",
        "D(x)",
        "D(G(z))",
        "images/s",
    ]
    assert lines[1].split() == ["1e-4", "done", "2.00", "0.500", "nan", "0.875", "0.125", "200"]
    assert lines[2].startswith("2e-4  failed")
    assert "50%" in lines[3]
    assert lines[3].split()[-1] == "100"
    assert "stopped at 25%" in lines[4]
    assert lines[5].split() == ["5e-4", "waiting"]
    assert lines[7].startswith("1 of 6 done, 1 failed, 1 running, ")
    assert lines[7].endswith(" left")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_it_fits_every_width(width: int, tmp_path: Path) -> None:
    lines = drawn(make(tmp_path), width)
    assert len(lines) == 8  # nothing is folded
    assert max(map(len, lines)) <= width
    assert lines[0].count("D(") == (1 if width == 40 else 2)
    assert ("images/s" in lines[0]) == (width >= 80)


def test_many_settings_are_shown_as_the_name(tmp_path: Path) -> None:
    sweep = make(tmp_path)
    wide = Sweep(sweep.path, {}, {"a" * 30: ["1", "2"], "b" * 30: ["1", "2"]}, sweep.entries, 1)
    assert drawn(wide, 80)[1].startswith("lr=1e-4")


def test_of_many_runs_those_at_work_are_shown(tmp_path: Path) -> None:
    lines = drawn(make(tmp_path, 60), 80, 12)
    assert len(lines) <= 12
    shown = [line.split()[0] for line in lines[1:-1]]
    assert shown == ["2e-4", "3e-4", "4e-4", "5e-4", "6e-4", "7e-4", "8e-4", "9e-4"]
    assert lines[-1].endswith("; 52 not shown")


def test_what_is_left(tmp_path: Path) -> None:
    sweep = make(tmp_path)
    table = rows(sweep)
    # 1000 images at 100 a second; 1500 at 125, its own; 2 × 2000 at the mean of 200, 200, 100 and 125 (of equal work).
    usual = 4 / (1 / 200 + 1 / 200 + 1 / 100 + 1 / 125)
    assert seconds_left(table) == pytest.approx(1000 / 100 + 1500 / 125 + 4000 / usual)
    assert seconds_left([Row(entry, "waiting") for entry in sweep]) is None
    assert summary([Row(entry, "done") for entry in sweep]) == "6 of 6 done"
    two = [Row(sweep.entries[2], "running", 0, {"images_per_second": 100.0})] * 2
    assert seconds_left(two) == pytest.approx(20)  # side by side
    assert seconds_left([*two, Row(sweep.entries[4], "done", 100)]) == pytest.approx(20)


def test_what_has_ended_is_not_read_again(tmp_path: Path) -> None:
    sweep = make(tmp_path)
    known = {row.entry.name: row for row in rows(sweep)}
    sweep.entries[0].run.losses_file.unlink()
    sweep.entries[2].run.losses_file.unlink()
    again = rows(sweep, known)
    assert again[0] is known["lr=1e-4"]
    assert again[2].step == 50  # the timing has it


def test_lines_where_there_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_table, "SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr(status_table, "SECONDS_BETWEEN_READINGS", 0.0)
    sweep = make(tmp_path)
    lines = status_table.Lines()
    with lines.shown(sweep):
        assert capsys.readouterr().err == ""
        sweep.entries[2].end_file.write_text('{"state": "done"}')
        sweep.entries[3].end_file.write_text('{"state": "failed", "message": "Out of memory."}')
        sweep.entries[4].worker_file.write_text(
            json.dumps({"machine": "another boot", "pid": 7, "host": "there"})
        )
        lines.update()
    assert capsys.readouterr().err.splitlines()[:4] == [
        "lr=3e-4  done  epoch 1.00  g loss 0.500  d loss nan  D(x) 0.875  D(G(z)) 0.125  images/s 200",
        "lr=4e-4  failed: Out of memory.",
        "lr=5e-4  begun by there",
        "2 of 6 done, 2 failed, 1 running, 0:23 left",
    ]


def test_the_live_table_tells_of_failures_above_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    sweep = make(tmp_path)
    live = status_table.Live()
    with live.shown(sweep):
        live.update()
        sweep.entries[2].end_file.write_text('{"state": "failed", "message": "Out of memory."}')
    said = capsys.readouterr().err
    assert "3e-4  failed: Out of memory." in said
    assert "1 of 6 done, 2 failed" in said
    assert isinstance(status_table.make_board(), status_table.Lines)  # stderr is no terminal here
    assert type(status_table.make_board(quiet=True)) is status_table.Board


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ('{"a": 1}\n', {"a": 1}),
        ('{"a": 1}\n{"a": 2', {"a": 1}),  # cut short
        ('{"a": 1}\n{"a": 2}', {"a": 1}),
        ('{"a": 1}\n{"a": \n', {"a": 1}),
        ('{"a": 1}\n' * 5000 + '{"a": 2}\n', {"a": 2}),
    ],
)
def test_the_last_line(text: str, expected: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    assert last_record(path) == {}
    path.write_text(text)
    assert last_record(path) == expected


def test_a_sweep_is_read_without_torch() -> None:
    code = "import sys, ganctl.sweeps.supervisor; print({'torch', 'numpy', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n", done.stderr
