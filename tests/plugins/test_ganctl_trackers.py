"""What TensorBoard reads back is what was shown to the tracker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ganctl_trackers.tensorboard import TensorBoard


def events(folder: Path) -> EventAccumulator:
    read = EventAccumulator(str(folder / "tensorboard"))
    read.Reload()
    return read


def test_scalars_and_pictures_are_there_before_it_is_closed(tmp_path: Path) -> None:
    board = TensorBoard(tmp_path, first_step=1)
    board.scalars(5, {"d_loss": 0.5, "D(x)": 0.25})
    board.picture(5, "samples", Image.new("RGB", (4, 3)))
    board.picture(5, "grey", Image.new("L", (4, 3)))
    read = events(tmp_path)
    assert read.Tags()["scalars"] == ["d_loss", "D(x)"]
    assert [(e.step, e.value) for e in read.Scalars("D(x)")] == [(5, 0.25)]
    assert [(e.step, e.width, e.height) for e in read.Images("samples")] == [(5, 4, 3)]
    board.close()


def test_what_comes_again_after_going_on_replaces_what_was_there(tmp_path: Path) -> None:
    for first, steps in ((1, (1, 2, 3)), (3, (3, 4))):
        board = TensorBoard(tmp_path, first_step=first)
        for step in steps:
            board.scalars(step, {"loss": first})
        board.close()
    assert [(e.step, e.value) for e in events(tmp_path).Scalars("loss")] == [(1, 1), (2, 1), (3, 3), (4, 3)]


def test_a_full_disk_is_an_error_that_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = TensorBoard(tmp_path, first_step=1)

    class Full:
        def write(self, data: Any) -> int:
            return 3

        def close(self) -> None:
            raise OSError("still full")

    board._file.close()
    monkeypatch.setattr(board, "_file", Full())
    with pytest.raises(OSError, match=r"No space left on device.*events\.out"):
        board.scalars(1, {"loss": 1.0})
    board.close()
