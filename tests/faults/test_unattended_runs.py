"""Unattended runs continue despite a broken package, a renamed folder, unwritable samples or a closed terminal."""

from __future__ import annotations

import builtins
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.fork_server import wait_until
from helpers.in_process_cli import run
from helpers.small_runs import before_step, train
from helpers.train_commands import train_args

from ganctl import DATA, GanctlError
from ganctl.rendering.curves import draw as draw_curves
from ganctl.runs.folder import Run


@pytest.mark.parametrize(
    "error", [ImportError("no module"), RuntimeError("numpy ABI"), OSError(5, "I/O error")]
)
@pytest.mark.parametrize("package", ["matplotlib", "tensorboard"])
def test_broken_package_causes_only_one_warning(
    package: str,
    error: Exception,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    uninterrupted: Callable[..., Run],
) -> None:
    original = builtins.__import__

    def import_(name: str, *args: Any, **options: Any) -> Any:
        if name.split(".")[0] == package:
            raise error
        return original(name, *args, **options)

    monkeypatch.setattr("ganctl.rendering.curves.draw", draw_curves)
    monkeypatch.setattr(builtins, "__import__", import_)
    monkeypatch.setattr(
        "ganctl.training.artifacts.SECONDS_BETWEEN_CURVES", 0.0
    )  # so that several attempts are made
    result = run(capsys, *train_args("gan"), "--out", tmp_path / "run")
    assert result.status == 0, result.stderr
    assert result.stderr.count("warning:") == 1
    monkeypatch.undo()
    made, whole = Run(tmp_path / "run"), uninterrupted("gan")
    assert [path.read_bytes() for path in made.samples] == [path.read_bytes() for path in whole.samples]
    assert made.losses == whole.losses


def test_renamed_folders_are_recreated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "run"

    def rename(engine: object) -> None:
        for name in ("samples", "checkpoints", "tensorboard"):
            (out / name).rename(out / f"my-{name}")

    before_step(monkeypatch, 20, rename)
    made = train("gan", out)
    assert [path.name for path in made.checkpoints] == ["step-00000024.pt", "step-00000025.pt"]
    assert len(list((out / "my-checkpoints").iterdir())) == 3
    assert made.log_file.read_text().count("was removed during training; it was recreated.") == 2


def test_unwritable_samples_cause_only_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file is in the place of the samples folder, so the folder cannot be recreated."""
    out = tmp_path / "run"

    def replace(engine: object) -> None:
        (out / "samples").rename(out / "other")
        (out / "samples").symlink_to(tmp_path / "nowhere")

    before_step(monkeypatch, 8, replace)
    result = run(capsys, *train_args("gan"), "--out", out)
    assert result.status == 0, result.stderr
    assert result.stderr.count("warning: samples could not be drawn") == 1
    assert len(Run(out).checkpoints) == 5


@pytest.mark.parametrize(
    "error", [GanctlError("a metric's own error", status=DATA), MemoryError("too many samples")]
)
def test_errors_while_sampling_do_not_end_the_run(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: object) -> None:
        raise error

    def break_grid(engine: object) -> None:
        monkeypatch.setattr("ganctl.rendering.grid.grid", fail)

    before_step(monkeypatch, 8, break_grid)
    result = run(capsys, *train_args("gan"), "--out", tmp_path / "run")
    assert result.status == 0, result.stderr
    assert result.stderr.count("warning: samples could not be drawn") == 1
    assert len(Run(tmp_path / "run").samples) == 2


def test_closed_terminal_does_not_end_a_run_that_ignores_sighup(tmp_path: Path) -> None:
    """As with nohup, SIGHUP is ignored and writing to the terminal fails with EIO, so no output can be shown."""
    out = tmp_path / "run"
    ours, terminal = os.openpty()
    words = [
        sys.executable,
        "-m",
        "ganctl",
        *map(str, train_args("gan")),
        "--epochs",
        "100",
        "--out",
        str(out),
    ]
    child = subprocess.Popen(
        words,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN) and None,
    )
    try:
        os.close(terminal)
        wait_until(lambda: bool(Run(out).losses_file.is_file()), "the first line")
        os.close(ours)
        assert child.wait(timeout=60) == 0
    finally:
        child.kill()
        child.wait()
    assert "Finished: 625 steps" in Run(out).log_file.read_text()


def test_log_contains_the_losses_of_every_logging_interval(tmp_path: Path) -> None:
    """The terminal shows losses only next to a progress bar."""
    made = train("gan", tmp_path / "run")
    lines = re.findall(r"step (\d+)  epoch \S+  (?:.*  )?G loss (-?[\d.]+)", made.log_file.read_text())
    assert [(int(step), float(loss)) for step, loss in lines] == [
        (line["step"], round(line["g_loss"], 3)) for line in made.losses
    ]


def test_log_has_no_traceback_after_a_second_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(engine: object) -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    before_step(monkeypatch, 8, interrupt)
    result = run(capsys, *train_args("gan"), "--out", tmp_path / "run")
    assert result.status == 130
    log = Run(tmp_path / "run").log_file.read_text()
    assert "Traceback" not in log
    assert log.endswith("Interrupted.\n")
