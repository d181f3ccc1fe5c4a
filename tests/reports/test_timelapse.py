"""Test animations of a run's samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from helpers import fake_runs
from PIL import Image

from ganctl import GanctlError
from ganctl.cli.evolution import evolution as command
from ganctl.reports import timelapse


def test_every_epoch_is_a_frame_and_the_last_frame_is_held(tmp_path: Path) -> None:
    path = fake_runs.make(tmp_path / "a")
    assert timelapse.save_timelapse(path, tmp_path / "a.gif", fps=5, hold=1) == 5
    animation = Image.open(tmp_path / "a.gif")
    durations, first = [], np.asarray(animation.convert("L"))
    for i in range(animation.n_frames):  # type: ignore[attr-defined]
        animation.seek(i)
        durations.append(animation.info["duration"])
    assert sum(durations) == 200 * 5 + 1000
    small = np.asarray(fake_runs.grid(0))
    assert first.shape == tuple(side * round(480 / 74) for side in small.shape), "enlarged"
    assert np.abs(first[::6, ::6].astype(int) - small).max() < 3


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_captions_are_below_the_samples(tmp_path: Path, mode: str) -> None:
    path = fake_runs.make(tmp_path / "a", mode=mode, epochs=2)
    timelapse.save_timelapse(path, tmp_path / "a.gif", captions=True, scale=2)
    animation = Image.open(tmp_path / "a.gif")
    assert animation.size == (148, 148 + timelapse.CAPTION_HEIGHT)
    lines = []
    for i in (0, 1):
        animation.seek(i)
        lines.append(np.asarray(animation.convert("L"))[148:])
    assert lines[0].max() > 200
    assert not np.array_equal(lines[0], lines[1])


def test_default_output_is_in_the_run_folder(tmp_path: Path) -> None:
    path = fake_runs.make(tmp_path / "a", epochs=1)
    done = CliRunner().invoke(command, [str(path), "--scale", "1"])
    assert done.exit_code == 0, done.output
    assert Image.open(path / "evolution.gif").size == (74, 74)


def test_invalid_output_or_run_raises_an_error(tmp_path: Path) -> None:
    path = fake_runs.make(tmp_path / "a")
    with pytest.raises(GanctlError, match="not an animation file"):
        timelapse.save_timelapse(path, tmp_path / "a.webm")
    with pytest.raises(GanctlError, match="does not exist"):
        timelapse.save_timelapse(tmp_path / "b", tmp_path / "a.gif")
    (path / "samples" / "epoch-0001-step-00000025.png").write_bytes(b"\x89PNG")
    with pytest.raises(GanctlError, match=r"00025\.png cannot be read"):
        timelapse.save_timelapse(path, tmp_path / "a.gif")
    for file in (path / "samples").iterdir():
        file.unlink()
    with pytest.raises(GanctlError, match="has no samples"):
        timelapse.save_timelapse(path, tmp_path / "a.gif")
