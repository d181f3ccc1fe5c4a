"""Test that animations have the given frames and frame rate."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from ganctl import GanctlError
from ganctl.rendering.animation import save_animation


def gray(n: int, size: tuple[int, int] = (30, 20)) -> list[np.ndarray]:
    """Return frames of a bright square that moves to the right."""
    frames = [np.full((*size, 1), 40, np.uint8) for _ in range(n)]
    for i, frame in enumerate(frames):
        frame[5:15, i : i + 10] = 200
    return frames


def test_gif_of_gray_frames_is_exact_and_loops(tmp_path: Path) -> None:
    frames = gray(5)
    save_animation(frames, tmp_path / "x.gif", fps=20)
    with Image.open(tmp_path / "x.gif") as gif:
        assert gif.info["loop"] == 0
        assert gif.info["duration"] == 50
        shown = [np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(gif)]
    assert [a.tolist() for a in shown] == [frame[..., 0].tolist() for frame in frames]


def test_gif_keeps_colors(tmp_path: Path) -> None:
    frames = [np.concatenate([frame, frame // 2, 255 - frame], 2) for frame in gray(20)]
    save_animation(frames, tmp_path / "x.gif")
    with Image.open(tmp_path / "x.gif") as gif:
        shown = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(gif)]
    for expected, actual in zip(frames, shown, strict=True):
        assert np.abs(expected.astype(int) - actual).max() <= 8


def test_mp4_has_the_frames_and_the_frame_rate(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    frames = gray(12, (31, 45))  # odd side lengths
    save_animation(frames, tmp_path / "x.mp4", fps=12.5)
    with av.open(tmp_path / "x.mp4") as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate) == 12.5
        assert stream.codec_context.pix_fmt == "yuv420p"
        shown = [frame.to_ndarray(format="gray") for frame in container.decode(stream)]
    assert len(shown) == 12
    for expected, actual in zip(frames, shown, strict=True):
        assert actual.shape == (32, 46)
        assert (
            np.abs(expected[..., 0].astype(int) - actual[:31, :45]).mean() < 16
        )  # video is lossy and has a limited range


def test_invalid_animations_raise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GanctlError, match="not an animation file"):
        save_animation(gray(2), tmp_path / "x.avi")
    with pytest.raises(GanctlError, match="have the shapes"):
        save_animation([], tmp_path / "x.gif")
    with pytest.raises(GanctlError, match="have the shapes"):
        save_animation([*gray(1), *gray(1, (8, 20))], tmp_path / "x.gif")
    with pytest.raises(GanctlError, match="frame rate"):
        save_animation(gray(2), tmp_path / "x.gif", fps=0)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(GanctlError, match="PyAV") as caught:
        save_animation(gray(2), tmp_path / "x.mp4")
    assert "ganctl[video]" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
