"""Test latent walks: traversal, interpolation, files and commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

import ganctl
from ganctl import GanctlError
from ganctl.latent import Codes, Normal, Uniform
from ganctl.rendering import grid
from ganctl.runs.folder import Run
from ganctl.sampling import walk_writers
from ganctl.sampling.latent_dimensions import dimensions, rank_dimensions
from ganctl.sampling.latent_walks import interpolate_points, lerp, slerp


@pytest.fixture
def sampler(tiny_run: Run) -> ganctl.Sampler:
    return ganctl.load(tiny_run.path, device="cpu")


def trained(tmp_path_factory: pytest.TempPathFactory, model: str, **settings: Any) -> ganctl.Sampler:
    """Return the sampler of a one-step run, which is trained once per session."""
    out = tmp_path_factory.getbasetemp() / f"walks-{model}"
    if not out.exists():
        ganctl.train(
            model, {"name": "glyphs", "n": 20}, out=out, steps=1, batch_size=4, samples=1, quiet=True, **settings
        )  # fmt: skip
    return ganctl.load(out, device="cpu")


@pytest.fixture
def conditional(tmp_path_factory: pytest.TempPathFactory) -> ganctl.Sampler:
    small = {"hidden": "16"}
    return trained(tmp_path_factory, "cgan", generator=small, discriminator=small)


@pytest.fixture
def coded(tmp_path_factory: pytest.TempPathFactory) -> ganctl.Sampler:
    return trained(tmp_path_factory, "infogan")


# ---- traversal


def test_row_varies_only_its_dimension(sampler: ganctl.Sampler) -> None:
    walk = sampler.traverse("5,25", [-3, 0, 3], seed=4)
    base = sampler.latents(1, seed=4)[0]
    assert [row.name for row in walk.rows] == ["5", "25"]
    for row, index in zip(walk.rows, (4, 24), strict=True):
        expected = base.repeat(3, 1)
        expected[:, index] = torch.tensor([-3.0, 0.0, 3.0])
        assert torch.equal(row.z, expected)
        assert row.values == (-3, 0, 3)
        assert row.captions == ("-3", "0", "3")
        assert torch.equal(grid.to_uint8(row.x), grid.to_uint8(torch.cat(list(sampler.generate(expected)))))
    assert torch.equal(walk.x, torch.cat([row.x for row in walk.rows]))
    assert walk.x.shape == (6, 1, 28, 28)
    assert walk.y is None


def test_dimensions_are_counted_from_1(sampler: ganctl.Sampler) -> None:
    assert sampler.traverse([1, 100]).rows[1].name == "100"
    assert torch.equal(sampler.traverse(7).z, sampler.traverse(["7"]).z)
    for wrong in ("0", "101", "-1", "x", "u0", ""):
        with pytest.raises(GanctlError, match=f"no dimension '{wrong}'") as caught:
            sampler.traverse(wrong)
        assert "1 to 100" in caught.value.hint


def test_given_latent_can_be_traversed(sampler: ganctl.Sampler) -> None:
    z = torch.zeros(2, 100)
    assert sampler.traverse("3", [2], z=z).z.sum() == 2
    with pytest.raises(GanctlError, match="needs N×100"):
        sampler.traverse("3", z=torch.zeros(2, 99))


def test_default_values_span_the_range_of_the_latent(sampler: ganctl.Sampler) -> None:
    assert sampler.traverse("5").rows[0].values == (-3, -2, -1, 0, 1, 2, 3)
    assert {d.span for d in dimensions(Normal(9))} == {3}
    assert {d.span for d in dimensions(Uniform(9))} == {1}
    for wrong in ([], [float("nan")]):
        with pytest.raises(GanctlError, match="values"):
            sampler.traverse("5", wrong)


def test_auto_selects_the_dimensions_with_the_largest_change(
    sampler: ganctl.Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G depends only on two dimensions, and one of the two has a larger effect."""
    weight = sampler.G.get_parameter(
        next(n for n, p in sampler.G.named_parameters() if p.shape[1:] == (100,))
    )
    strength = torch.zeros(100)
    strength[[11, 47]] = torch.tensor([0.3, 3.0])
    weight.data = weight.data * strength
    found = sampler.rank_dimensions(seed=1)
    assert [name for name, _ in found[:2]] == ["48", "12"]
    assert found[0][1] > found[1][1] > 0
    assert all(change == 0 for _, change in found[2:])
    assert len(found) == 100
    assert found == sampler.rank_dimensions(seed=1)  # reproducible
    assert [row.name for row in sampler.traverse("auto:2").rows] == ["48", "12"]
    assert len(sampler.traverse().rows) == 8
    with pytest.raises(GanctlError, match="auto:0"):
        sampler.traverse("auto:0")


def test_classes_are_rows(conditional: ganctl.Sampler) -> None:
    assert conditional.traverse("5", [0]).y == 0
    walk = conditional.traverse("5,6", [-1, 1], classes=[3, 7])
    assert [row.name for row in walk.rows] == ["5, 3", "5, 7", "6, 3", "6, 7"]
    assert walk.y is not None
    assert walk.y.tolist() == [3, 3, 7, 7, 3, 3, 7, 7]
    assert torch.equal(walk.rows[0].z, walk.rows[1].z)
    with pytest.raises(GanctlError, match="no class 10"):
        conditional.traverse("5", classes=[10])


def test_classes_need_a_conditional_generator(sampler: ganctl.Sampler) -> None:
    with pytest.raises(GanctlError, match="not trained on classes"):
        sampler.traverse("5", classes=[0])


def test_codes_are_dimensions(coded: ganctl.Sampler) -> None:
    walk = coded.traverse("c,u1,2", [-2, 2], code="c=3")
    latent = coded.latent
    assert isinstance(latent, Codes)
    categories, u, noise = walk.rows
    assert categories.values == tuple(range(10))
    assert torch.equal(latent.split(categories.z)[1][0], torch.eye(10))
    assert latent.split(u.z)[2][:, 1].tolist() == [-2, 2]
    assert latent.split(noise.z)[0][:, 1].tolist() == [-2, 2]
    assert (latent.split(noise.z)[1][0].argmax(1) == 3).all()
    assert coded.traverse("u0").rows[0].values[0] == -1
    assert torch.equal(coded.traverse("c0").z, coded.traverse("c").z)
    assert len(rank_dimensions(coded, trials=1)) == 62 + 3
    with pytest.raises(GanctlError, match="no dimension '63'") as caught:
        coded.traverse("63")
    assert caught.value.hint == "Use a number from 1 to 62, or a code: c, u0, u1, c0."


# ---- interpolation


def test_slerp_follows_the_great_circle() -> None:
    a, b = torch.tensor([2.0, 0, 0]), torch.tensor([0, 2.0, 0])
    for t in (0, 0.25, 0.5, 1):
        made = slerp(a, b, t)
        assert torch.isclose(made.norm(), torch.tensor(2.0))
        assert torch.isclose(torch.atan2(made[1], made[0]), torch.tensor(t * torch.pi / 2))
    assert torch.equal(slerp(a, b, 0), a)
    assert torch.allclose(slerp(a, a, 0.3), a)
    assert torch.isfinite(slerp(a, -a, 0.5)).all()
    assert torch.isfinite(slerp(a, 0 * a, 0.5)).all()
    assert torch.equal(lerp(a, b, 0.5), torch.tensor([1.0, 1, 0]))


def test_default_method_depends_on_the_latent() -> None:
    points = torch.randn(2, 512, generator=torch.Generator().manual_seed(0))
    middle = interpolate_points(Normal(512), points, [0.5])
    assert 0.95 < middle.norm() / points.norm(dim=1).mean() < 1.05  # the typical norm of normal latents
    assert torch.equal(interpolate_points(Uniform(512), points, [0.5])[0], points.mean(0))
    assert torch.equal(interpolate_points(Normal(512), points, [0.5], "lerp")[0], points.mean(0))
    codes = Codes(500, 10, 2)
    made = interpolate_points(codes, points, [0.5])
    assert torch.allclose(made[0, 500:], points.mean(0)[500:])
    assert not torch.allclose(made[0, :500], points.mean(0)[:500])


def test_path_passes_through_its_points(sampler: ganctl.Sampler) -> None:
    walk = sampler.interpolate([3, 4, 5], steps=4)
    (row,) = walk.rows
    assert len(row.x) == 9
    for position, seed in ((0, 3), (4, 4), (8, 5)):
        assert torch.allclose(row.z[position], sampler.latents(1, seed=seed)[0])
        assert row.captions[position] == f"seed {seed}"
    assert row.captions[1] == ""
    closed = sampler.interpolate([3, 4, 5], steps=4, loop=True).rows[0]
    assert len(closed.x) == 12
    assert torch.equal(closed.z[:9], row.z)
    assert (closed.z[-1] - closed.z[0]).norm() < (closed.z[8] - closed.z[0]).norm()


def test_rows_are_separate_paths(sampler: ganctl.Sampler) -> None:
    walk = sampler.interpolate([3, 4], rows=3, steps=2)
    assert len(walk.rows) == 3
    for i, row in enumerate(walk.rows):
        assert torch.equal(row.z[0], sampler.latents(3, seed=3)[i])
    z = sampler.latents(6, seed=9)
    walk = sampler.interpolate(z=z, rows=2, steps=1)
    assert torch.allclose(walk.z, z)
    with pytest.raises(GanctlError, match="cannot be divided into 4 rows"):
        sampler.interpolate(z=z, rows=4)


def test_samples_have_the_class_of_the_nearer_point(conditional: ganctl.Sampler) -> None:
    z = conditional.latents(2, seed=0)
    walk = conditional.interpolate(z=z, y=torch.tensor([3, 7]), steps=4)
    assert walk.y is not None
    assert walk.y.tolist() == [3, 3, 7, 7, 7]
    every = conditional.interpolate(classes=range(10), steps=1)
    assert [row.name for row in every.rows] == list("0123456789")
    assert torch.equal(every.rows[0].z, every.rows[9].z)


def test_invalid_paths_are_errors(sampler: ganctl.Sampler) -> None:
    with pytest.raises(GanctlError, match="two or more points"):
        sampler.interpolate([1])
    with pytest.raises(GanctlError, match="no interpolation method 'slurp'") as caught:
        sampler.interpolate(method="slurp")
    assert "slerp" in caught.value.hint
    with pytest.raises(GanctlError, match="at least 1"):
        sampler.interpolate(steps=0)


# ---- images and files


def ink(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L"))


def test_image_contains_every_sample_at_the_correct_position(sampler: ganctl.Sampler) -> None:
    walk = sampler.traverse("5,25", [-3, 0, 3])
    plain = ink(walk.image(labels=False))
    assert plain.shape == (2 * 30 + 2, 3 * 30 + 2)
    assert (plain == ink(grid.grid(grid.to_uint8(walk.x), 3))).all()
    labeled = ink(walk.image(scale=1))
    below, right = labeled.shape[0] - 62 - 6, labeled.shape[1] - 92 - 6
    cells = labeled[below:-6, right:-6]
    for row in range(2):
        for column in range(3):
            at = slice(2 + row * 30, 30 + row * 30), slice(2 + column * 30, 30 + column * 30)
            assert (cells[at] == plain[at]).all()
    assert (labeled[:below, right:] < 128).any()  # captions above the samples
    assert (labeled[below:, :right] < 128).any()  # names on the left
    last = plain[32:60, 62:90].repeat(3, 0).repeat(3, 1)
    assert (ink(walk.image())[-8 - 84 : -8, -8 - 84 : -8] == last).all()


def test_rows_with_different_values_have_separate_captions(coded: ganctl.Sampler) -> None:
    same, other = coded.traverse("u0,u1").image(), coded.traverse("u0,2").image()
    assert other.height > same.height
    assert coded.traverse("c,u0").image(labels=False).width == 10 * 34 + 2


@pytest.mark.parametrize("suffix", [".png", ".npz", ""])
def test_walk_is_written_in_every_format(suffix: str, sampler: ganctl.Sampler, tmp_path: Path) -> None:
    walk = sampler.traverse("5,25", [-1.5, 3])
    out = tmp_path / f"x{suffix}"
    walk_writers.check_path(out, animations=False)
    walk_writers.write_walk(walk, out, labels=False)
    images = grid.to_uint8(walk.x)[:, 0].numpy()
    if suffix == ".png":
        assert (np.asarray(Image.open(out))[2:30, 32:60] == images[1]).all()
    elif suffix == ".npz":
        archive = np.load(out)
        assert (archive["images"][..., 0] == images).all()
        assert archive["rows"].tolist() == ["5", "5", "25", "25"]
        assert archive["values"].tolist() == [-1.5, 3, -1.5, 3]
        assert (archive["z"] == walk.z.numpy()).all()
    else:
        files = sorted(out.iterdir())
        assert [f.name for f in files] == [
            "00000-5-at--1.5.png", "00001-5-at-3.png", "00002-25-at--1.5.png", "00003-25-at-3.png",
        ]  # fmt: skip
        assert (np.asarray(Image.open(files[2])) == images[2]).all()


def test_frame_of_an_animation_shows_all_rows(sampler: ganctl.Sampler, tmp_path: Path) -> None:
    walk = sampler.interpolate(rows=4, steps=3)
    walk_writers.write_walk(walk, tmp_path / "x.gif", scale=2)
    with Image.open(tmp_path / "x.gif") as gif:
        shown = [ink(frame.copy()) for frame in ImageSequence.Iterator(gif)]
    assert len(shown) == 4
    assert shown[0].shape == (124, 124)
    third = grid.to_uint8(walk.rows[2].x)[1, 0].numpy().repeat(2, 0).repeat(2, 1)
    assert (shown[1][64:120, 4:60] == third).all()
    single = sampler.interpolate(steps=1).frames()
    assert single[0].shape == (280, 280, 1)


def test_notebook_displays_a_walk(sampler: ganctl.Sampler) -> None:
    assert sampler.traverse("5")._repr_png_().startswith(b"\x89PNG")


def test_unwritable_paths_are_errors(tmp_path: Path) -> None:
    with pytest.raises(GanctlError, match="no folder"):
        walk_writers.check_path(tmp_path / "nowhere" / "x.png", animations=True)
    with pytest.raises(GanctlError, match=r"x\.gif: this command writes \.png"):
        walk_writers.check_path(tmp_path / "x.gif", animations=False)


# ---- commands


def test_traverse_and_interpolate_commands_write_the_expected_files(
    tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Callable[..., tuple[int, str]]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = tiny_run.path
    assert run_cli("traverse", "--ckpt", run, "--dims", "5,25", "--values", "-3,0,3", "-q") == (0, "")
    status, output = run_cli("traverse", "--ckpt", run, "--out", "auto.npz")
    assert (status, output) == (0, "Wrote 8 rows to auto.npz\n")
    assert run_cli("traverse", "--ckpt", run, "--latents", "auto.npz", "--dims", "1", "-q") == (0, "")
    status, output = run_cli("interpolate", "--ckpt", run, "--seeds", "1,2,3", "--rows", "2")
    assert (status, output) == (
        0,
        f"Wrote 2 rows of 17 samples to {tiny_run.name}-step-00000013-interpolate-1-2-3-n34.png\n",
    )
    assert (
        run_cli(
            "interpolate", "--ckpt", run, "--latents", "auto.npz", "--steps", "1", "--out", "x.gif", "-q"
        )[0]
        == 0
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "auto.npz",
        f"{tiny_run.name}-step-00000013-interpolate-1-2-3-n34.png",
        f"{tiny_run.name}-step-00000013-traverse-auto-n7.png",
        f"{tiny_run.name}-step-00000013-traverse-seed0-n6.png",
        "x.gif",
    ]
    # The same command replaces its file. Different inputs are written to a numbered file or refused.
    walk = ("traverse", "--ckpt", run, "--dims", "5,25", "--values")
    assert run_cli(*walk, "-3,0,3")[1].endswith("-seed0-n6.png\n")
    assert run_cli(*walk, "-3,0,2")[1].endswith("-seed0-n6-2.png\n")
    status, output = run_cli("interpolate", "--ckpt", run, "--out", "x.gif")
    assert (status, output.splitlines()[0]) == (
        2,
        "error: x.gif exists and was not created from the same inputs.",
    )
    assert run_cli("traverse", "--ckpt", run, "--out", "auto.npz")[0] == 0


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ("traverse --dims 0", 2, "There is no dimension '0'."),
        ("traverse --seed 1 --latents x.npz", 2, "Both --seed and --latents were given."),
        ("traverse --latents x.npz", 3, "Cannot read x.npz: No such file or directory."),
        (
            "traverse --values 1,a",
            2,
            "Invalid value for '--values': 'a' is not a number from -1,000 to 1,000.",
        ),
        (
            "traverse --out x.gif",
            2,
            "--out x.gif: this command writes .png (one image), .npz (arrays), or a folder.",
        ),
        ("traverse --class 3 --dims 1", 2, "The generator 'mlp' was not trained on classes."),
        ("traverse --code c=1 --dims 1", 2, "The latent 'normal' of this model has no codes."),
        ("interpolate --seeds 1", 2, "A path needs two or more points."),
        (
            "interpolate --seeds -1,2",
            2,
            "Invalid value for '--seeds': '-1' is not a whole number from 0 to 4,294,967,295.",
        ),
        (
            "interpolate --out x.gif --fps 0",
            2,
            "Invalid value for '--fps': '0' is not a number from 0.01 to 1,000.",
        ),
        ("interpolate --out nowhere/x.gif", 2, "There is no folder nowhere."),
    ],
)
def test_invalid_options_are_errors(
    words: str, status: int, message: str, tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    run_cli: Callable[..., tuple[int, str]],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    command, *rest = words.split()
    got, output = run_cli(command, "--ckpt", tiny_run.path, *rest)
    assert (got, output.splitlines()[0]) == (status, f"error: {message}")
    assert list(tmp_path.iterdir()) == []


def test_ranking_of_dimensions_reports_progress(sampler: ganctl.Sampler) -> None:
    counts: list[int] = []
    rank_dimensions(sampler, trials=1, advance=counts.append)
    assert sum(counts) == len(dimensions(sampler.latent)) == 100
