"""Test sampling from a checkpoint."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import ganctl
from ganctl import GanctlError
from ganctl.latent import Normal, Uniform
from ganctl.rendering import grid
from ganctl.runs import checkpoint
from ganctl.runs.checkpoint import find_checkpoint
from ganctl.runs.folder import Run
from ganctl.sampling.writers import write_samples
from ganctl.system.progress import NullReporter
from ganctl.training.generate_samples import draw_latents


@pytest.fixture
def sampler(tiny_run: Run) -> ganctl.Sampler:
    return ganctl.load(tiny_run.checkpoints[-1], device="cpu")


def uint8(sampler: ganctl.Sampler, n: int, **options: Any) -> torch.Tensor:
    return grid.to_uint8(sampler.sample(n, **options))


def test_samples_do_not_depend_on_the_number_of_samples(sampler: ganctl.Sampler) -> None:
    many = sampler.latents(50_000, seed=3)
    for n in (1, 25, 64, 65, 1000):
        assert torch.equal(sampler.latents(n, seed=3), many[:n])
    assert torch.equal(uint8(sampler, 25, seed=3), uint8(sampler, 1000, seed=3)[:25])


def test_truncated_latents_do_not_depend_on_the_number_of_latents(sampler: ganctl.Sampler) -> None:
    many = sampler.latents(1000, seed=3, truncation=0.7)
    assert many.abs().max() <= 0.7
    assert torch.equal(sampler.latents(25, seed=3, truncation=0.7), many[:25])


@pytest.mark.parametrize("batch_size", [1, 7, 25, 1000])
def test_samples_do_not_depend_on_the_batch_size(batch_size: int, sampler: ganctl.Sampler) -> None:
    assert torch.equal(uint8(sampler, 100, batch_size=batch_size), uint8(sampler, 100, batch_size=64))


def test_samples_depend_only_on_the_seed(sampler: ganctl.Sampler) -> None:
    torch.manual_seed(1)
    one = sampler.sample(9, seed=5)
    torch.manual_seed(2)
    assert torch.equal(sampler.sample(9, seed=5), one)
    assert not torch.equal(sampler.sample(9, seed=6), one)


def test_samples_and_sampler_have_the_expected_shape_range_and_attributes(sampler: ganctl.Sampler) -> None:
    x = sampler.sample(25)
    assert x.shape == (25, 1, 28, 28)
    assert x.dtype == torch.float32
    assert x.device.type == "cpu"
    assert -1 <= x.min() < x.max() <= 1
    assert not x.requires_grad
    assert sampler.image == (1, 28, 28)
    assert sampler.classes == tuple("0123456789")
    assert sampler.step == 13
    assert sampler.config.model == "gan"
    assert not sampler.G.training


def test_sampling_keeps_the_global_random_state(tiny_run: Run) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    ganctl.load(tiny_run.path, device="cpu").sample(9, seed=1)
    assert torch.equal(torch.rand(3), expected)


def test_samples_equal_the_samples_saved_in_training(tiny_run: Run, tmp_path: Path) -> None:
    """A run's last sample grid equals the samples from the run's checkpoint with the run's seed."""
    sampler = ganctl.load(tiny_run.path, device="cpu")
    grid.save_png(sampler.grid(9, seed=0), tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes() == tiny_run.samples[-1].read_bytes()


def test_newest_checkpoint_of_a_run_folder_is_used(tiny_run: Run) -> None:
    newest = tiny_run.checkpoints[-1]
    assert find_checkpoint(tiny_run.path) == newest
    assert find_checkpoint(tiny_run.checkpoints_dir) == newest
    assert find_checkpoint(newest) == newest
    assert torch.equal(ganctl.load(tiny_run.path).sample(4), ganctl.load(str(newest)).sample(4))


def test_checkpoint_needs_no_dataset_and_no_run_folder(
    sampler: ganctl.Sampler, tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = Path(shutil.copy(tiny_run.checkpoints[-1], tmp_path / "moved.pt"))
    monkeypatch.setenv("GANCTL_CACHE", str(tmp_path / "no cache"))
    monkeypatch.chdir(tmp_path)

    def none(*args: Any, **options: Any) -> None:
        raise AssertionError("the dataset was loaded")

    monkeypatch.setattr("ganctl.data.cache.load_images", none)
    monkeypatch.setattr("ganctl_vision.glyphs.glyphs", none)
    assert torch.equal(ganctl.load(moved, device="cpu").sample(25), sampler.sample(25))
    assert [p.name for p in tmp_path.iterdir()] == ["moved.pt"]


def test_averaged_generator_is_used(tmp_path: Path) -> None:
    run = ganctl.train(
        "gan-basic",
        {"name": "glyphs", "n": 50},
        out=tmp_path / "run",
        steps=3,
        batch_size=10,
        ema=100.0,
        quiet=True,
    )
    state = checkpoint.load(run.checkpoints[-1])["engine"]
    averaged = ganctl.load(run.path, device="cpu").G.state_dict()
    assert all(torch.equal(averaged[name], weight) for name, weight in state["G_ema"].items())
    assert not all(torch.equal(averaged[name], weight) for name, weight in state["G"].items())


def test_color_images_are_sampled(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    for i in range(8):
        pixels = np.random.default_rng(i).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "faces" / f"{i}.png")
    run = ganctl.train(
        "gan-basic", str(tmp_path / "faces"), out=tmp_path / "run", steps=2, batch_size=4, quiet=True
    )
    sampler = ganctl.load(run.path, device="cpu")
    assert sampler.sample(5).shape == (5, 3, 16, 16)
    assert sampler.grid(5).mode == "RGB"
    for name in ("x.png", "x.npz", "folder"):
        write_samples(sampler, 5, tmp_path / name, reporter=NullReporter())
    assert np.load(tmp_path / "x.npz")["images"].shape == (5, 16, 16, 3)
    one = np.asarray(Image.open(tmp_path / "folder" / "00004.png"))
    assert (one == np.load(tmp_path / "x.npz")["images"][4]).all()
    assert (
        np.asarray(Image.open(tmp_path / "x.png"))[2:18, 2:18] == np.load(tmp_path / "x.npz")["images"][0]
    ).all()


def test_nrow_is_the_number_of_columns(sampler: ganctl.Sampler) -> None:
    assert sampler.grid(25).size == (5 * 30 + 2, 5 * 30 + 2)
    assert sampler.grid(25, nrow=10).size == (10 * 30 + 2, 3 * 30 + 2)
    assert sampler.grid(3, nrow=10).size == (3 * 30 + 2, 30 + 2)
    assert sampler.grid(1).mode == "L"


def test_every_format_contains_the_same_samples(sampler: ganctl.Sampler, tmp_path: Path) -> None:
    for name in ("x.png", "x.npz", "folder"):
        write_samples(sampler, 30, tmp_path / name, seed=2, batch_size=7, reporter=NullReporter())
    expected = uint8(sampler, 30, seed=2)
    archive = np.load(tmp_path / "x.npz")
    assert archive["images"].dtype == np.uint8
    assert archive["seed"] == 2
    assert torch.equal(torch.from_numpy(archive["images"]).permute(0, 3, 1, 2), expected)
    files = sorted((tmp_path / "folder").iterdir())
    assert [file.name for file in files] == [f"{i:05d}.png" for i in range(30)]
    for file, sample in zip(files, expected, strict=True):
        assert (np.asarray(Image.open(file)) == sample[0].numpy()).all()
    image = np.asarray(Image.open(tmp_path / "x.png"))
    assert (image[2:30, 32:60] == expected[1, 0].numpy()).all()


def test_output_folder_must_be_empty(sampler: ganctl.Sampler, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").touch()
    with pytest.raises(GanctlError, match="is not empty"):
        write_samples(sampler, 3, tmp_path / "mine", reporter=NullReporter())
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["a.txt"]


def test_latents_have_the_expected_distribution() -> None:
    z = draw_latents(Normal(8), 5000, seed=0)
    assert z.shape == (5000, 8)
    assert abs(float(z.mean())) < 0.02
    assert abs(float(z.std()) - 1) < 0.02
    z = draw_latents(Uniform(8), 5000, seed=0)
    assert z.abs().max() <= 1
    assert abs(float(z.var()) - 1 / 3) < 0.01


def test_truncation_needs_a_normal_latent() -> None:
    with pytest.raises(GanctlError, match="the latent 'normal'"):
        draw_latents(Uniform(8), 5, seed=0, truncation=1.0)
    for bound in (0.0, -1.0, float("nan")):
        with pytest.raises(GanctlError, match="must be above 0"):
            draw_latents(Normal(8), 5, seed=0, truncation=bound)


def test_shapes_are_checked_before_memory_is_allocated(
    tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check builds the network only on the meta device."""
    state = checkpoint.load(tiny_run.checkpoints[-1])
    state["image"] = [1, 20_000, 20_000]
    checkpoint.save(tmp_path / "x.pt", state)
    devices = []
    original = torch.nn.Linear.__init__

    def built(self: torch.nn.Linear, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        devices.append(self.weight.device.type)

    monkeypatch.setattr(torch.nn.Linear, "__init__", built)
    with pytest.raises(GanctlError, match="does not fit the checkpoint's weights") as caught:
        ganctl.load(tmp_path / "x.pt", device="cpu")
    assert caught.value.status == 4
    assert set(devices) == {"meta"}
