"""Test that steps with very many D updates are exact, use little memory, and can be interrupted."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from helpers.bit_identical import assert_same_run
from helpers.in_process_cli import run
from helpers.small_runs import train
from helpers.train_commands import train_args

from ganctl.runs import status
from ganctl.runs.folder import Run
from ganctl.training import long_steps
from ganctl.training.engine import Engine


def test_preparing_images_for_each_update_does_not_change_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps span epochs, and images are prepared for each update instead of all at the start of the step."""
    whole = train("gan", tmp_path / "whole", n_critic=9, steps=5, epochs=None)
    monkeypatch.setattr(long_steps, "MOST_UPDATES", 8)
    split = train("gan", tmp_path / "split", n_critic=9, steps=5, epochs=None)
    assert_same_run(whole, split)


@pytest.mark.parametrize(
    ("n_critic", "stop_at", "message"),
    [
        (
            1_000_000_000,
            5,
            "Stopped within step 1, which cannot be saved before its end. There is no checkpoint yet.",
        ),
        (
            200,
            450,
            "Stopped within step 3, which cannot be saved before its end. The last checkpoint is "
            "run/checkpoints/step-00000002.pt.",
        ),
        (200, 400, "Stopped and saved at step 2."),
    ],
)
def test_ctrl_c_takes_effect_within_one_d_update(
    n_critic: int,
    stop_at: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    updates = 0
    original = Engine.update_discriminator

    def update(self: Engine, *args: Any) -> Any:
        nonlocal updates
        updates += 1
        if updates == stop_at:
            os.kill(os.getpid(), signal.SIGINT)
        assert updates <= stop_at, "the signal was ignored"
        return original(self, *args)

    monkeypatch.setattr(Engine, "update_discriminator", update)
    options = ("--n-critic", n_critic, "--epochs", 200, "--checkpoint-every", 2, "--keep", 1)
    result = run(capsys, *train_args("gan"), *options, "--out", "run")
    assert result.status == 130
    assert updates == stop_at
    assert "Stopping after this D update." in result.stderr
    assert f"{message} Resume: ganctl train --resume run\n" in result.stderr
    assert "Traceback" not in Run("run").log_file.read_text()
    assert status.read(Run("run").status_file).state == "stopped"
