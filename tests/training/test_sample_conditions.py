"""Test conditions, unlabeled images, and images that are not 8-bit, from training to sampling."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.bit_identical import assert_same_run
from helpers.in_process_cli import Result
from helpers.in_process_cli import run as run_command
from PIL import Image

import ganctl
from ganctl import GanctlError
from ganctl.rendering import grid
from ganctl.runs import checkpoint
from ganctl.runs.folder import Run
from ganctl.training.sample_conditions import chosen_images

COLORIZE = """
import torch
from torch import nn

import ganctl


@ganctl.hookimpl
def register_datasets(register):
    register("tiny-colors", colors, summary="Flat colors, with their gray images as conditions")
    register("spectra", spectra, summary="13 channels of 12 bits")


@ganctl.hookimpl
def register_generators(register):
    register("colorize", Colorize, summary="One convolution")


@ganctl.hookimpl
def register_discriminators(register):
    register("compare", Compare, summary="One convolution")


def colors(root, n: int = 60, labels: bool = False, unlabeled: int = 0, vector: bool = False) -> ganctl.Images:
    x = torch.randint(0, 256, (n, 3, 1, 1), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    x = x.expand(n, 3, 8, 8).contiguous()
    gray = x.float().mean(1, keepdim=True) / 127.5 - 1
    y = torch.arange(n) % 3
    y[:unlabeled] = -1
    return ganctl.Images(x, y if labels else None, c=gray[:, 0, 0, :2] if vector else gray)


def spectra(root, n: int = 60) -> ganctl.Images:
    x = torch.randint(0, 4096, (n, 13, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.int32)
    return ganctl.Images(x.to(torch.uint16), range=(0, 4095))


class Colorize(nn.Module):
    def __init__(self, image: ganctl.ImageShape, latent: ganctl.Latent, condition) -> None:
        super().__init__()
        self.image, self.noise = image, nn.Linear(latent.dim, 4)
        self.net = nn.Conv2d(4 + condition[0], image.channels, 1)

    def forward(self, z, y, c):
        c = c.view(len(c), c.shape[1], *(c.shape[2:] or (1, 1)))
        size = self.image.height, self.image.width
        parts = [self.noise(z)[:, :, None, None].expand(-1, -1, *size), c.expand(-1, -1, *size)]
        return torch.tanh(self.net(torch.cat(parts, 1)))


class Compare(nn.Module):
    def __init__(self, image: ganctl.ImageShape, condition) -> None:
        super().__init__()
        self.net = nn.Conv2d(image.channels + condition[0], 1, 1)

    def forward(self, x, y, c):
        c = c.view(len(c), c.shape[1], *(c.shape[2:] or (1, 1)))
        return self.net(torch.cat([x, c.expand(-1, -1, *x.shape[2:])], 1)).mean((1, 2, 3))
"""
SETTINGS: dict[str, Any] = {
    "batch_size": 16, "epochs": 4, "log_every": 5, "samples": 9, "keep": 0, "quiet": True, "z_dim": 8,
    "metrics": ["swd"], "metric_samples": 32, "device": "cpu",
}  # fmt: skip


Cli = Callable[..., Result]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return partial(run_command, capsys)


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plugin") / "colorize.py"
    path.write_text(COLORIZE)
    return path


def train(plugin: Path, out: Path, data: dict[str, Any], **settings: Any) -> Run:
    networks = {"generator": "colorize", "discriminator": "compare"}
    return ganctl.train("gan", data, out=out, plugins=[plugin], **{**SETTINGS, **networks, **settings})


@pytest.fixture(scope="module")
def colors(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(plugin, tmp_path_factory.mktemp("colors") / "run", {"name": "tiny-colors"})


def images_of(plugin: Path, data: str, **options: Any) -> ganctl.Images:
    namespace: dict[str, Any] = {}
    exec(plugin.read_text(), namespace)
    images: ganctl.Images = namespace[data](Path(), **options)
    return images


def test_colorization_resumes_exactly(colors: Run, plugin: Path, tmp_path: Path) -> None:
    stopped = Run(shutil.copytree(colors.path, tmp_path / "stopped"))
    for path in stopped.checkpoints[2:]:
        path.unlink()
    ganctl.train(resume_from=stopped.path, plugins=[plugin], quiet=True)
    assert_same_run(colors, stopped)
    assert [line["step"] for line in colors.metrics]


def test_checkpoint_contains_the_conditions_of_the_real_images(colors: Run, plugin: Path) -> None:
    images = images_of(plugin, "colors")
    sampler = ganctl.load(colors.path, plugins=[plugin])
    assert sampler.takes_conditions
    assert torch.equal(sampler.conditions, images.c[chosen_images(images, 9, seed=0)])
    z = sampler.latents(9, seed=0)
    expected = sampler.G(z, None, sampler.conditions)
    assert torch.allclose(sampler.sample(9), expected)
    drawn = np.asarray(grid.grid(grid.to_uint8(expected), 3))
    assert (np.asarray(Image.open(colors.samples[-1])) == drawn).all()


def test_samples_follow_given_conditions(colors: Run, plugin: Path) -> None:
    sampler = ganctl.load(colors.path, plugins=[plugin])
    z = sampler.latents(4)
    c = torch.linspace(-1, 1, 2).view(2, 1, 1, 1).expand(2, 1, 8, 8)
    x = sampler.sample(4, c=c)
    assert torch.allclose(x, sampler.G(z, None, c[[0, 1, 0, 1]]))
    assert torch.allclose(sampler.sample(4, c=c[1]), sampler.G(z, None, c[[1, 1, 1, 1]]))
    walk = sampler.traverse([1], [-1, 1], c=c[1])
    assert torch.allclose(walk.x, sampler.G(walk.z, None, c[[1, 1]]))
    path = sampler.interpolate([0, 1], rows=2, steps=2, c=c)
    assert torch.allclose(path.rows[1].x, sampler.G(path.rows[1].z, None, c[[1, 1, 1]]))
    ranked = dict(sampler.rank_dimensions())
    assert all(change > 0 for change in ranked.values())
    with pytest.raises(GanctlError, match="The conditions have the shape 2×3, but this model needs N×1×8×8"):
        sampler.sample(4, c=torch.zeros(2, 3))


def test_commands_read_conditions_from_the_checkpoint_and_from_files(
    cli: Cli, colors: Run, plugin: Path, tmp_path: Path
) -> None:
    file, out = tmp_path / "c.npy", tmp_path / "x.npz"
    np.save(file, np.linspace(-1, 1, 3, dtype=np.float32).reshape(3, 1, 1, 1).repeat(8, 2).repeat(8, 3))
    common = ["--ckpt", str(colors.checkpoints[-1]), "--plugin", str(plugin), "--out", str(out), "--quiet"]
    for command in ("sample", "traverse", "interpolate"):
        assert cli(command, *common, "--force").status == 0
    assert cli("sample", *common, "--conditions", str(file), "--force").status == 0
    sampler = ganctl.load(colors.path, plugins=[plugin])
    expected = sampler.sample(3, c=torch.from_numpy(np.load(file)))
    with np.load(out) as archive:
        assert archive["images"].shape == (3, 8, 8, 3)
        assert np.abs(archive["images"].transpose(0, 3, 1, 2) / 127.5 - 1 - expected.numpy()).max() < 0.01
    other = cli("sample", *common, "--c", "0.5", "--force")
    assert other.status == 2
    assert "The conditions have the shape 1, but this model needs N×1×8×8." in other.stderr


def test_short_vectors_can_be_given_on_the_command_line(cli: Cli, plugin: Path, tmp_path: Path) -> None:
    run = train(plugin, tmp_path / "run", {"name": "tiny-colors", "vector": True}, epochs=1)
    out = tmp_path / "x.npz"
    args = [
        "sample",
        "--ckpt",
        str(run.path),
        "--plugin",
        str(plugin),
        "--n",
        "2",
        "--out",
        str(out),
        "--quiet",
    ]
    assert cli(*args, "--c=-0.5,0.5").status == 0
    expected = ganctl.load(run.path, plugins=[plugin]).sample(2, c=torch.tensor([-0.5, 0.5]))
    with np.load(out) as archive:
        assert np.abs(archive["images"].transpose(0, 3, 1, 2) / 127.5 - 1 - expected.numpy()).max() < 0.01


def test_conditions_are_required_only_by_conditional_generators(
    colors: Run, plugin: Path, tmp_path: Path
) -> None:
    plain = ganctl.train(
        "gan", {"name": "glyphs", "n": 64}, out=tmp_path / "gan", **{**SETTINGS, "epochs": 1}
    )
    sampler = ganctl.load(plain.path)
    with pytest.raises(GanctlError, match="The generator 'mlp' takes no conditions"):
        sampler.sample(2, c=torch.zeros(2, 3))
    state = checkpoint.load(colors.checkpoints[-1])
    del state["format"], state["conditions"]
    checkpoint.save(tmp_path / "older.pt", state)
    older = ganctl.load(tmp_path / "older.pt", plugins=[plugin])
    with pytest.raises(GanctlError, match="needs conditions, and the checkpoint contains none"):
        older.sample(2)
    assert older.sample(2, c=torch.zeros(1, 8, 8)).shape == (2, 3, 8, 8)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("conditions", {"c": torch.zeros(3, 2), "y": None}),
        ("conditions", {"c": torch.full((3, 1, 8, 8), torch.nan), "y": None}),
        ("conditions", {"c": torch.zeros(3, 1, 8, 8), "y": torch.zeros(2, dtype=torch.int64)}),
        ("conditions", {"c": torch.zeros(1, 1, 8, 8).expand(10**6, 1, 8, 8), "y": None}),
        ("condition", [-1, 8, 8]),
        ("pixels", {"dtype": "int64", "range": [0, 1]}),
        ("pixels", {"dtype": "uint8", "range": [1, 0]}),
    ],
)
def test_damaged_parts_of_a_checkpoint_are_refused(
    colors: Run, plugin: Path, tmp_path: Path, part: str, value: Any
) -> None:
    state = checkpoint.load(colors.checkpoints[-1])
    checkpoint.save(tmp_path / "x.pt", {**state, part: value})
    with pytest.raises(GanctlError, match=f"its '{part}"):
        ganctl.load(tmp_path / "x.pt", plugins=[plugin])


def test_uint16_images_with_13_channels_can_be_trained_resumed_and_sampled(
    cli: Cli, plugin: Path, tmp_path: Path
) -> None:
    small = {"generator": {"name": "mlp", "hidden": "16"}, "discriminator": {"name": "mlp", "hidden": "16"}}
    run = train(plugin, tmp_path / "run", {"name": "spectra"}, **small)
    stopped = Run(shutil.copytree(run.path, tmp_path / "stopped"))
    for path in stopped.checkpoints[2:]:
        path.unlink()
    ganctl.train(resume_from=stopped.path, plugins=[plugin], quiet=True)
    assert_same_run(run, stopped)
    assert Image.open(run.real_file).mode == Image.open(run.samples[-1]).mode == "RGB"
    assert [list(line) for line in run.metrics] == [["step", "epoch", "swd"]] * len(run.metrics)
    sampler = ganctl.load(run.path)
    x = sampler.sample(4)
    assert x.shape == (4, 13, 16, 16)
    assert x.abs().max() <= 1
    out = tmp_path / "x.npz"
    assert cli("sample", "--ckpt", str(run.path), "--n", "4", "--out", str(out), "--quiet").status == 0
    with np.load(out) as archive:
        assert archive["images"].dtype == np.uint16
        assert archive["images"].shape == (4, 16, 16, 13)
        assert archive["images"].max() <= 4095
        restored = archive["images"].transpose(0, 3, 1, 2) / 2047.5 - 1
    assert np.abs(restored - x.numpy()).max() < 1 / 4095 + 1e-6
    for name in ("x.png", "walk.png"):
        command = "sample" if name == "x.png" else "traverse"
        assert cli(command, "--ckpt", str(run.path), "--out", str(tmp_path / name), "--quiet").status == 0
        assert Image.open(tmp_path / name).mode == "RGB"


def test_unlabeled_images_are_refused_by_components_that_need_labels(plugin: Path, tmp_path: Path) -> None:
    data = {"name": "tiny-colors", "labels": True, "unlabeled": 7}
    with pytest.raises(
        GanctlError,
        match="The generator 'cgan' needs a label for every image, but 7 of 60 images of 'tiny-colors' have none",
    ):
        train(plugin, tmp_path / "run", data, generator="cgan")
    assert not (tmp_path / "run").exists()


def test_unlabeled_images_can_be_used_if_networks_ignore_or_support_missing_labels(
    plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {"name": "tiny-colors", "labels": True, "unlabeled": 7}
    run = train(plugin, tmp_path / "run", data, epochs=1)
    assert checkpoint.load(run.checkpoints[-1])["num_classes"] == 3
    declaring = tmp_path / "declaring.py"
    text = COLORIZE.replace(
        "latent: ganctl.Latent, condition", "latent: ganctl.Latent, condition, num_classes"
    )
    declaring.write_text(
        text.replace(
            "self.image, self.noise", "self.handles_unlabeled = True\n        self.image, self.noise"
        )
    )
    run = train(declaring, tmp_path / "declaring", data, epochs=1)
    assert ganctl.load(run.path, plugins=[declaring]).sample(4).shape == (4, 3, 8, 8)
