"""Test that reports, ``ganctl watch`` and sweeps do not determine the state of a run from ``log.txt``."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers import fake_runs
from rich.console import Console

from ganctl import GanctlError, Run
from ganctl.api import train
from ganctl.reports import content, watch
from ganctl.reports.notebook import card
from ganctl.reports.report import report
from ganctl.runs import read_run
from ganctl.sweeps import folder
from ganctl.sweeps.progress import read_rows
from ganctl.sweeps.status_display import describe_state
from ganctl.sweeps.status_table import draw_table

#: Lines that would be misleading in any state.
MISLEADING = (
    "Traceback (most recent call last):",
    "ganctl.errors.GanctlError: Training diverged: a loss was not finite at step 3.",
    "stopped by SIGTERM; saved step-00000007.pt",
    "finished 14 of 14 steps",
)
ERROR = {"message": "No space left on the disk.", "hint": "Free some space.", "status": 6}
#: Maps the state in status.json to the state shown if no process holds the folder.
STATES = {
    "waiting": "waiting",
    "running": "killed",
    "stopped": "stopped",
    "finished": "finished",
    "failed": "failed",
}


def replace_log(path: Path) -> None:
    """Replace every line of ``log.txt`` with a different line."""
    log = path / "log.txt"
    lines = log.read_text(encoding="utf-8").splitlines()
    assert lines
    replaced = [MISLEADING[i % len(MISLEADING)] for i in range(len(lines))]
    assert not set(replaced) & set(lines)
    log.write_text("\n".join(replaced) + "\n", encoding="utf-8")


def set_status(path: Path, **changes: Any) -> None:
    file = path / "status.json"
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


@pytest.fixture
def runs(tiny_run: Run, tmp_path: Path) -> dict[str, Path]:
    """A real run in each state in STATES, and a run that has actually diverged."""
    paths = {}
    for recorded, shown in STATES.items():
        paths[shown] = tmp_path / "sweep" / shown
        shutil.copytree(tiny_run.path, paths[shown])
        set_status(paths[shown], state=recorded, error=ERROR if recorded == "failed" else None)
    paths["diverged"] = tmp_path / "sweep" / "diverged"
    with pytest.raises(GanctlError, match="diverged"):
        train(
            "gan", {"name": "glyphs", "n": 40}, out=paths["diverged"], batch_size=10, steps=20, log_every=1, quiet=True,
            generator={"hidden": "16"}, discriminator={"hidden": "16"}, device="cpu",
            g_optimizer={"name": "sgd", "lr": 1e9}, d_optimizer={"name": "sgd", "lr": 1e9},
        )  # fmt: skip
    for path in paths.values():
        replace_log(path)
    return paths


def test_report_watch_and_notebook_show_the_state_regardless_of_the_log(runs: dict[str, Path]) -> None:
    result = report(*runs.values())
    shown = dict(zip(runs, content.collect(result).runs, strict=True))
    assert {name: run.state for name, run in shown.items()} == {name: name for name in runs}
    for name, entry in zip(runs, result.entries, strict=True):
        title = content.STATES[entry.history.state]
        console = Console(file=io.StringIO(), width=200)
        watch.follow(runs[name], once=True, console=console)
        assert console.file.getvalue().startswith(f"{name}: {title}  step ")  # type: ignore[attr-defined]
        assert f">{title} · step " in card(entry.history)
    assert read_run.read(runs["diverged"]).note.startswith("Training diverged: ")
    messages = {name: entry.findings[0].text for name, entry in zip(runs, result.entries, strict=True)}
    assert ERROR["message"] in messages["failed"]
    assert messages["diverged"] == read_run.read(runs["diverged"]).note
    assert not any(line in result.html() for line in MISLEADING)


def test_running_run_is_shown_as_running_regardless_of_the_log(runs: dict[str, Path]) -> None:
    with Run(runs["killed"]).lock():
        assert read_run.read(runs["killed"]).state == "running"
        findings = [finding.text for finding in report(runs["killed"]).entries[0].findings]
    assert any(text.startswith("The run is at step ") for text in findings)


def test_sweep_shows_the_states_regardless_of_the_logs(runs: dict[str, Path]) -> None:
    path = runs["finished"].parent
    planned = [
        {"name": n, "values": {"seed": n}, "texts": {"seed": n}, "steps": 14, "images_per_step": 16}
        for n in runs
    ]
    plan = {"runs": planned, "varying": {"seed": list(runs)}, "threads": 1}
    (path / "runs.json").write_text(json.dumps(plan), encoding="utf-8")
    (path / "sweep.toml").write_text("model = 'gan'\n", encoding="utf-8")
    (path / "queue").mkdir()
    for name in ("finished", "failed", "diverged"):
        end = {"state": "finished" if name == "finished" else "failed"}
        (path / "queue" / f"{name}.end").write_text(json.dumps(end), encoding="utf-8")
    sweep = folder.read(path)
    rows = read_rows(sweep)
    assert {row.entry.name: row.state for row in rows} == {name: name for name in runs}
    assert {entry.history.name: entry.history.state for entry in report(sweep).entries} == {
        n: n for n in runs
    }
    lines = {row.entry.name: describe_state(row) for row in rows}
    assert lines["failed"] == f"failed: {ERROR['message']}"
    assert lines["diverged"].startswith("diverged: Training diverged")
    console = Console(file=io.StringIO(), width=120)
    console.print(draw_table(sweep, rows, 120, 40))
    assert all(name in console.file.getvalue() for name in runs)  # type: ignore[attr-defined]


def test_findings_of_the_same_kind_share_one_line(tmp_path: Path) -> None:
    def wins(since: int) -> Any:
        return lambda step: {"D(x)": 0.99, "D(G(z))": 0.004} if step > since else {}

    made = {"steps": range(100, 2001, 100), "steps_per_epoch": 500, "status": {"step": 2000, "total": 2000}}
    paths = [
        fake_runs.make(tmp_path / name, {"seed": i}, record=wins(since), **made)
        for i, (name, since) in enumerate({"a": 400, "b": 1000, "c": 5000}.items())
    ]
    remarks = content.collect(report(*paths)).remarks
    bad = [remark for remark in remarks if remark.level == "bad"]
    assert [(remark.text, remark.runs) for remark in bad] == [
        ("D wins. Try --augment diffaug, a lower --d-lr, or a smaller -o discriminator.width.", (0, 1))
    ]
