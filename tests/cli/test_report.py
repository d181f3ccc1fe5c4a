"""Test the command ``ganctl report``. The tests in tests/reports check the content of reports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers import fake_runs

from ganctl import GanctlError
from ganctl.cli.evolution import evolution
from ganctl.cli.report import report

BLOCKED = """
import sys
for name in ("torch", "torchvision", "matplotlib", "rich"):
    sys.modules[name] = None  # importing the module fails
from ganctl.cli import main
main(sys.argv[1:])
"""


def test_report_needs_neither_torch_nor_matplotlib_nor_rich(tmp_path: Path) -> None:
    path = fake_runs.make(tmp_path / "runs" / "a")
    words = [sys.executable, "-c", BLOCKED, "report", str(path)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr.startswith(f"1 run in {path}/report.html, 0.")
    assert (path / "report.html").read_text().startswith("<!doctype html>")


def test_report_writes_the_expected_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        fake_runs.make(tmp_path / "runs" / name, {"seed": ord(name)})
    runner = CliRunner()
    for words, files in [
        (["runs"], ["runs/report.html"]),
        (["runs/a", "runs/b"], ["report.html"]),
        (["runs/a", "--out", "x.html", "--out", "x.md", "-q"], ["x.html", "x.md", "x_files/run-00.png"]),
        (["runs/a", "--figures", "figures", "--figure-format", "svg"], ["figures/samples.svg"]),
    ]:
        done = runner.invoke(report, words)
        assert done.exit_code == 0, done.output
        assert all((tmp_path / name).stat().st_size for name in files)
    assert '"epochs":[0.0,2.0]' in (
        runner.invoke(report, ["runs/a", "--epochs", "2,0"]) and (tmp_path / "runs/a/report.html").read_text()
    )


def test_only_reports_of_the_same_runs_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c"):
        fake_runs.make(tmp_path / name, {"seed": ord(name)})
    runner = CliRunner()
    for words, out in [
        (["a", "b"], "report.html"),
        (["a", "c"], "report-2.html"),
        (["a", "b", "--title", "Other"], "report.html"),
        (["a"], "a/report.html"),
        (["a", "--out", "a/report.html"], "a/report.html"),
        (["a", "--out", "x.md"], "x.md"),
        (["a", "--out", "x.md"], "x.md"),
        (["b", "--out", "x.md", "--force"], "x.md"),
    ]:
        done = runner.invoke(report, words)
        assert done.exit_code == 0, done.output
        assert f" in {out}, " in done.output
    for words, message in [
        (["a", "--out", "x.md"], "x.md exists and was not created from the same inputs."),
        (
            ["a", "--out", "y.html", "--out", "./y.html"],
            "y.html would be written twice, by --out and by --out.",
        ),
    ]:
        done = runner.invoke(report, words)
        assert isinstance(done.exception, GanctlError)
        assert done.exception.message == message


def test_evolution_replaces_only_its_own_file(tmp_path: Path) -> None:
    run = fake_runs.make(tmp_path / "a")
    (run / "evolution.gif").write_text("a user's file")
    runner = CliRunner()
    for options, name in (([], "evolution-2.gif"), (["--fps", "8"], "evolution-2.gif")):
        done = runner.invoke(evolution, [str(run), *options])
        assert done.exit_code == 0, done.output
        assert f"{name}, " in done.output
    done = runner.invoke(evolution, [str(run), "--out", str(run / "evolution.gif")])
    assert isinstance(done.exception, GanctlError)
    assert (run / "evolution.gif").read_text() == "a user's file"


def test_invalid_options_are_refused_before_runs_are_read(tmp_path: Path) -> None:
    runner = CliRunner()
    done = runner.invoke(report, [str(tmp_path), "--epochs", "five"])
    assert done.exit_code == 2
    assert "'five' is not a number from 0 to 1,000,000,000." in done.output
    for out, error in (("x.pdf", "a report must end in .html or .md"), ("no/x.html", "There is no folder")):
        done = runner.invoke(report, [str(tmp_path / "nowhere"), "--out", str(tmp_path / out)])
        assert isinstance(done.exception, GanctlError)
        assert error in done.exception.message
