"""Test the selection and size of samples over epochs, and the note on omitted samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import fake_runs
from PIL import Image

from ganctl import GanctlError
from ganctl.rendering import split_grid
from ganctl.reports import samples_over_epochs
from ganctl.runs import read_run
from ganctl.runs.read_run import History


def read(path: Path, **made: object) -> History:
    return read_run.read(fake_runs.make(path, **made))  # type: ignore[arg-type]


def test_runs_of_different_lengths_share_epochs_and_keep_their_last_samples(tmp_path: Path) -> None:
    timeline = samples_over_epochs.collect([read(tmp_path / "a"), read(tmp_path / "b", epochs=2)])
    assert timeline.epochs == [0, 1, 2, 3, 4]
    assert [s.positions for s in timeline.series] == [[0, 1, 2, 3, 4], [0, 1, 2, 2, 2]]
    assert len(timeline.series[1].images) == 3, "each image once"
    assert timeline.left_out == []


def test_epochs_can_be_selected(tmp_path: Path) -> None:
    timeline = samples_over_epochs.collect([read(tmp_path / "a")], epochs=(2, 4))
    assert [f.epoch for f in timeline.series[0].frames] == [2, 4]
    assert timeline.left_out == [], "a selected epoch was omitted"


def test_epoch_without_samples_is_refused_with_a_list_of_epochs(tmp_path: Path) -> None:
    histories = [read(tmp_path / "a"), read(tmp_path / "b", epochs=6)]
    with pytest.raises(GanctlError, match="There are no samples of epoch 77") as caught:
        samples_over_epochs.collect(histories, epochs=(2, 77))
    assert caught.value.hint == "Choose from the epochs with samples: 0, 1, 2, 3, 4, 5, 6."
    assert caught.value.status == 2
    assert samples_over_epochs.collect(histories, epochs=(6, 2, 2)).epochs == [2, 6]


def test_epoch_may_be_rounded_to_two_decimals(tmp_path: Path) -> None:
    history = read(tmp_path / "a")
    history.frames[2] = replace(history.frames[2], epoch=4 / 3)
    timeline = samples_over_epochs.collect([history], epochs=(1.33,))
    assert timeline.epochs == [4 / 3]
    assert timeline.series[0].frames == [history.frames[2]]


def test_epochs_are_omitted_to_limit_the_size_and_a_note_is_added(tmp_path: Path) -> None:
    h = read(tmp_path / "a", epochs=30)
    assert len(samples_over_epochs.collect([h]).epochs) == samples_over_epochs.MAX_EPOCHS
    size = len(samples_over_epochs.encode(h.frames[-1].open()))
    small = samples_over_epochs.collect([h], megabytes=size * 8 / 1e6)
    assert 2 <= len(small.epochs) <= 8
    assert sum(map(len, small.series[0].images)) <= size * 8
    assert small.left_out[0] == f"{len(small.epochs)} of 31 epochs are shown"


@pytest.mark.parametrize("count", [2, 3, 12, 24])
@pytest.mark.parametrize("n", [2, 5, 25, 41, 201])
def test_subsample_keeps_both_ends_and_has_no_duplicates(n: int, count: int) -> None:
    chosen = samples_over_epochs.subsample(list(range(n)), count)
    assert len(chosen) == len(set(chosen)) == min(n, count)
    assert (chosen[0], chosen[-1]) == (0, n - 1)
    assert chosen == sorted(chosen)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_encoded_image_differs_only_in_shades(mode: str) -> None:
    image = fake_runs.grid(3, mode=mode)
    shown = np.asarray(samples_over_epochs.decode(samples_over_epochs.encode(image)).convert(mode), dtype=int)
    assert np.abs(shown - np.asarray(image, dtype=int)).mean() < (5 if mode == "L" else 20)
    assert samples_over_epochs.decode(samples_over_epochs.encode(image)).size == image.size


def test_fewer_images_are_shown_if_they_are_large_and_none_is_cropped() -> None:
    big = fake_runs.grid(0, size=256)
    cropped = samples_over_epochs.crop(big, split_grid.layout_of(big, (1, 256, 256)), None)
    assert cropped.size == (2 * 258 + 2,) * 2
    huge = fake_runs.grid(0, size=1024, n=4)
    assert (
        samples_over_epochs.crop(huge, split_grid.layout_of(huge, (1, 1024, 1024)), None).width
        == samples_over_epochs.MAX_WIDTH
    )


@pytest.mark.parametrize(
    ("n", "columns", "rows"), [(64, 8, 8), (60, 8, 8), (16, 4, 4), (2, 2, 1), (1, 1, 1), (5, 3, 2)]
)
@pytest.mark.parametrize("recorded", [True, False])
def test_grid_is_split_into_the_original_images(n: int, columns: int, rows: int, recorded: bool) -> None:
    image = fake_runs.grid(1, n=n)
    layout = split_grid.layout_of(image, (1, 16, 16), (columns, rows) if recorded else None)
    assert layout == split_grid.Layout(columns, rows, 16, 16)
    images = split_grid.split(image, layout)
    assert images.shape == (rows, columns, 16, 16, 1)
    assert np.array_equal(images[0, 0, ..., 0], np.asarray(image)[2:18, 2:18])


def test_layout_is_unknown_without_status_or_if_the_image_size_differs() -> None:
    image = fake_runs.grid(1)
    assert split_grid.layout_of(image, None, (4, 4)) is None
    assert split_grid.layout_of(image, (1, 16, 16), (4, 3)) is None
    assert split_grid.layout_of(Image.new("L", (100, 77)), (1, 16, 16)) is None


def test_count_distinct_ignores_speckle() -> None:
    reals = split_grid.split(fake_runs.grid(9), split_grid.Layout(4, 4, 16, 16)).reshape(16, 16, 16, 1)
    repeated = np.repeat(reals[:2], 8, axis=0)
    noisy = np.clip(repeated.astype(int) + np.random.default_rng(0).integers(-15, 16, repeated.shape), 0, 255)
    assert split_grid.count_distinct(reals, reals) == 16
    assert split_grid.count_distinct(noisy.astype(np.uint8), reals) == 2


def test_damaged_image_is_replaced_with_the_previous_image(tmp_path: Path) -> None:
    path = fake_runs.make(tmp_path / "a")
    (path / "samples" / "epoch-0002-step-00000050.png").write_bytes(b"\x89PNG nothing")
    (path / "real.png").write_bytes(b"")
    made = samples_over_epochs.collect([read_run.read(path)]).series[0]
    assert made.positions == [0, 1, 1, 2, 3]
    assert made.real is None
