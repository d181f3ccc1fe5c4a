"""Test the display of a run in the terminal: its contents, updates and end."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from helpers import fake_runs
from rich.console import Console

from ganctl.cli.watch import watch
from ganctl.rendering.split_grid import Layout
from ganctl.reports import watch as watching
from ganctl.runs import read_run
from ganctl.runs.folder import Run

RUNNING = {"state": "running"}


def terminal(width: int = 100, height: int = 30, color: str | None = "truecolor") -> Console:
    class Utf8(io.StringIO):
        encoding = "utf-8"

    return Console(
        file=Utf8(),
        force_terminal=True,
        width=width,
        height=height,
        color_system=color,
        highlight=False,  # type: ignore[arg-type]
    )


def shown(console: Console) -> str:
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_sparkline_spans_the_range_from_lowest_to_highest_value() -> None:
    assert watching.sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert watching.sparkline([1, 1, 1], 8) == "▁▁▁"
    assert watching.sparkline([0, math.nan, 1], 3) == "▁ █"
    assert watching.sparkline([0, 0, 1, 1], 2) == "▁█"
    assert len(watching.sparkline(list(range(1000)), 40)) == 40
    assert watching.sparkline([math.nan], 5) == " "


@pytest.mark.parametrize(("width", "height"), [(100, 40), (80, 24), (40, 12), (20, 5)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_view_is_no_larger_than_the_terminal(tmp_path: Path, width: int, height: int, mode: str) -> None:
    h = read_run.read(fake_runs.make(tmp_path / "a-run-with-quite-a-long-name", mode=mode))
    console = terminal(width, height)
    lines = console.render_lines(watching.view(h, console, True), pad=False)
    assert len(lines) <= max(height - 1, 7)
    assert all(sum(segment.cell_length for segment in line) <= width for line in lines)


def test_samples_are_drawn_in_their_colors(tmp_path: Path) -> None:
    red = fake_runs.grid(0, mode="RGB")
    red.paste((200, 0, 0), (2, 2, 18, 18))
    lines = watching.half_blocks(red, Layout(4, 4, 16, 16), 60, 20)
    assert {len(line) for line in lines} == {3 * 17 - 1}, "three images of sixteen pixels fit side by side"
    assert len(lines) == (2 * 17 - 1 + 1) // 2
    assert lines[4].plain[4] == "▀"
    (style,) = [str(span.style) for span in lines[4].spans if span.start == 4]
    assert style == "#c80000 on #c80000"


@pytest.mark.parametrize(
    ("color", "drawn"), [("truecolor", True), ("256", True), ("standard", False), (None, False)]
)
def test_samples_need_256_colors(tmp_path: Path, color: str | None, drawn: bool) -> None:
    h = read_run.read(fake_runs.make(tmp_path / "a"))
    console = terminal(color=color)
    console.print(watching.view(h, console, True))
    assert ("▀" in shown(console)) is drawn
    assert ("newest samples: " in shown(console)) is not drawn


def test_time_left_is_estimated_from_the_last_lines(tmp_path: Path) -> None:
    path = fake_runs.make(tmp_path / "a", status=RUNNING, steps=range(5, 61, 5), epochs=2)
    assert watching.seconds_left(read_run.read(path)) is None, "the run is not running"
    with Run(path).lock():
        assert watching.seconds_left(read_run.read(path)) == 40 * 0.5
        (path / "timing.jsonl").unlink()
        assert watching.seconds_left(read_run.read(path)) is None


def ends(path: Path, status: dict[str, Any]) -> Callable[[float], None]:
    """Return a replacement for ``time.sleep`` during which the run advances. The run ends in the second call."""
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        with (path / "losses.jsonl").open("a") as file:
            file.write(f'{{"step": {60 + 5 * len(pauses)}, "epoch": 2.6, "g_loss": 9.5, "D(x)": 0.5}}\n')
        if len(pauses) == 2:
            (path / "status.json").write_text(json.dumps({**fake_runs.STATUS, **status}), encoding="utf-8")
        assert len(pauses) < 3, "follow must detect that the run has ended"

    return pause


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [
        ({"state": "finished"}, 0, "finished"),
        (fake_runs.DIVERGED, 5, "Training diverged: a loss was not finite"),
        (
            {"state": "failed", "error": {"message": "No space left.", "hint": "", "status": 1}},
            1,
            "No space left.",
        ),
    ],
    ids=["finished", "diverged", "failed"],
)
@pytest.mark.parametrize("live", [True, False], ids=["terminal", "pipe"])
def test_watch_shows_a_run_until_it_ends(
    tmp_path: Path, status: dict[str, Any], code: int, word: str, live: bool
) -> None:
    path = fake_runs.make(tmp_path / "a", status=RUNNING, steps=range(5, 61, 5), epochs=2)
    console = terminal() if live else Console(file=io.StringIO(), width=80)
    with Run(path).lock():
        assert watching.follow(path, console=console, seconds=7, pause=ends(path, status)) == code
    assert word in shown(console)
    assert "step 70 of 100" in shown(console)
    if not live:
        assert len(shown(console).splitlines()) == 3 + (code > 0), "one line per change"


def test_no_color_shows_neither_colors_nor_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    path, console = fake_runs.make(tmp_path / "a"), terminal()
    assert watching.follow(path, console=console) == 0
    assert "newest samples: " in shown(console)
    assert "▀" not in shown(console)
    assert not re.search(r"\x1b\[[\d;]*\b(3[0-7]|4[0-7]|[34]8;)", shown(console))


def test_dumb_terminal_shows_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    path, console = fake_runs.make(tmp_path / "a", status=RUNNING, steps=range(5, 61, 5)), terminal()
    with Run(path).lock():
        assert watching.follow(path, console=console, pause=ends(path, {"state": "finished"})) == 0
    assert "\x1b" not in shown(console)
    assert len(shown(console).splitlines()) > 1


def test_ctrl_c_ends_the_display_but_not_the_run(tmp_path: Path) -> None:
    path = fake_runs.make(tmp_path / "a", status=RUNNING)

    def pause(seconds: float) -> None:
        raise KeyboardInterrupt

    with Run(path).lock():
        assert watching.follow(path, console=terminal(), pause=pause) == 0
        assert read_run.read(path).state == "running"


def test_watch_does_not_wait_for_a_killed_run(tmp_path: Path) -> None:
    path = fake_runs.make(tmp_path / "a", status=RUNNING)
    assert watching.follow(path, console=terminal(), pause=lambda s: pytest.fail("follow waited")) == 1


def test_newest_run_is_the_default(tmp_path: Path) -> None:
    import os

    for name in ("old", "new"):
        fake_runs.make(tmp_path / "runs" / name)
    os.utime(tmp_path / "runs" / "new" / "log.txt", (4e9, 4e9))
    for words in (["--runs", str(tmp_path / "runs")], [str(tmp_path / "runs")]):
        done = CliRunner().invoke(watch, [*words, "--once"])
        assert (done.exit_code, done.output.split(":")[0]) == (0, "new")
    assert "G loss 1.000  D loss 0.700  D(x) 0.700  D(G(z)) 0.300" in done.output
