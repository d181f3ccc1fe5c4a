"""Pictures over the epochs: the right ones, small, and what is left out is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import fake_runs
from PIL import Image

from ganctl.rendering import grid_images
from ganctl.reports import frames
from ganctl.runs import history
from ganctl.runs.history import History


def read(path: Path, **made: object) -> History:
    return history.read(fake_runs.make(path, **made))  # type: ignore[arg-type]


def test_runs_of_unlike_length_share_the_stops_and_keep_their_last_picture(tmp_path: Path) -> None:
    films = frames.make([read(tmp_path / "a"), read(tmp_path / "b", epochs=2)])
    assert films.stops == [0, 1, 2, 3, 4]
    assert [f.at for f in films.films] == [[0, 1, 2, 3, 4], [0, 1, 2, 2, 2]]
    assert len(films.films[1].images) == 3, "each once"
    assert films.left_out == []


def test_epochs_that_are_asked_for(tmp_path: Path) -> None:
    films = frames.make([read(tmp_path / "a")], epochs=(2, 4))
    assert [f.epoch for f in films.films[0].frames] == [2, 4]
    assert films.left_out == ["2 of 5 epochs are shown"]


def test_too_much_is_thinned_and_told(tmp_path: Path) -> None:
    h = read(tmp_path / "a", epochs=30)
    assert len(frames.make([h]).stops) == frames.MOST_STOPS
    size = len(frames.encode(h.frames[-1].open()))
    small = frames.make([h], megabytes=size * 8 / 1e6)
    assert 2 <= len(small.stops) <= 8
    assert sum(map(len, small.films[0].images)) <= size * 8
    assert small.left_out[0] == f"{len(small.stops)} of 31 epochs are shown"


@pytest.mark.parametrize("most", [2, 3, 12, 24])
@pytest.mark.parametrize("n", [2, 5, 25, 41, 201])
def test_thinning_keeps_the_ends_and_never_doubles(n: int, most: int) -> None:
    chosen = frames.thin(list(range(n)), most)
    assert len(chosen) == len(set(chosen)) == min(n, most)
    assert (chosen[0], chosen[-1]) == (0, n - 1)
    assert chosen == sorted(chosen)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_an_encoded_picture_is_what_it_was_but_for_shades(mode: str) -> None:
    image = fake_runs.grid(3, mode=mode)
    shown = np.asarray(frames.decode(frames.encode(image)).convert(mode), dtype=int)
    assert np.abs(shown - np.asarray(image, dtype=int)).mean() < (5 if mode == "L" else 20)
    assert frames.decode(frames.encode(image)).size == image.size


def test_of_large_pictures_fewer_are_shown_and_never_half_ones() -> None:
    big = fake_runs.grid(0, size=256)
    cropped = frames.crop(big, grid_images.layout(big, 16), None)
    assert cropped.size == (2 * 258 + 2,) * 2
    huge = fake_runs.grid(0, size=1024, n=4)
    assert frames.crop(huge, grid_images.layout(huge, 4), None).width == frames.WIDEST


@pytest.mark.parametrize(
    ("n", "columns", "rows"), [(64, 8, 8), (60, 8, 8), (16, 4, 4), (2, 2, 1), (1, 1, 1), (5, 3, 2)]
)
def test_the_layout_of_a_trainings_grid_is_found(n: int, columns: int, rows: int) -> None:
    found = grid_images.layout(fake_runs.grid(1, n=n), n)
    assert found == grid_images.Layout(columns, rows, 16, 16)
    cut = grid_images.cut(fake_runs.grid(1, n=n), found)
    assert cut.shape == (rows, columns, 16, 16, 1)
    assert np.array_equal(cut[0, 0, ..., 0], np.asarray(fake_runs.grid(1, n=n))[2:18, 2:18])


def test_a_row_a_class_is_a_layout_too_and_any_picture_is_none() -> None:
    rows = Image.new("L", (6 * 18 + 2, 10 * 18 + 2))
    rows.paste(fake_runs.grid(0, n=36).crop((0, 0, 110, 110)))
    assert grid_images.layout(rows, 64) == grid_images.Layout(6, 10, 16, 16)
    assert grid_images.layout(Image.new("L", (100, 77), 200), 64) is None


def test_kinds_counts_different_pictures_and_speckle_makes_none() -> None:
    reals = grid_images.cut(fake_runs.grid(9), grid_images.Layout(4, 4, 16, 16)).reshape(16, 16, 16, 1)
    alike = np.repeat(reals[:2], 8, axis=0)
    noisy = np.clip(alike.astype(int) + np.random.default_rng(0).integers(-15, 16, alike.shape), 0, 255)
    assert grid_images.kinds(reals, reals) == 16
    assert grid_images.kinds(noisy.astype(np.uint8), reals) == 2


def test_a_damaged_picture_is_passed_over(tmp_path: Path) -> None:
    path = fake_runs.make(tmp_path / "a")
    (path / "samples" / "epoch-0002-step-00000050.png").write_bytes(b"\x89PNG nothing")
    (path / "real.png").write_bytes(b"")
    made = frames.make([history.read(path)]).films[0]
    assert made.at == [0, 1, 1, 2, 3]
    assert made.real is None
