"""Test latent files and the options --save-latents and --latents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import ganctl
from ganctl import GanctlError
from ganctl.runs.folder import Run
from ganctl.sampling import latent_files


def test_written_latents_are_read_back(tmp_path: Path) -> None:
    z, y = torch.randn(5, 7), torch.tensor([0, 1, 2, 1, 0])
    latent_files.write(tmp_path / "x.npz", z, y, seed=3)
    found = latent_files.read(tmp_path / "x.npz", dim=7, num_classes=3)
    assert torch.equal(found.z, z)
    assert found.y is not None
    assert torch.equal(found.y, y)
    assert np.load(tmp_path / "x.npz", allow_pickle=False)["seed"] == 3
    assert latent_files.read(tmp_path / "x.npz", dim=7).y is None  # for a model without classes


def test_files_written_with_numpy_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(14).reshape(2, 7))
    found = latent_files.read(tmp_path / "x.npy", dim=7)
    assert found.z.dtype == torch.float32
    assert found.z[1].tolist() == list(range(7, 14))
    np.savez(tmp_path / "x.npz", z=np.zeros(7), y=np.int8(2))
    found = latent_files.read(tmp_path / "x.npz", dim=7, num_classes=3)
    assert found.z.shape == (1, 7)
    assert found.y is not None
    assert found.y.tolist() == [2]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"z": np.zeros((2, 8))}, r"z in .* has the shape 2×8 \(float64\), but this model needs N×7 numbers"),
        ({"z": np.zeros((2, 1, 7))}, "z in .* has the shape 2×1×7"),
        ({"z": np.zeros((0, 7))}, "z in .* has the shape 0×7"),
        ({"z": np.float32(1)}, r"z in .* has the shape \(\) "),
        ({"z": np.array([["a"] * 7])}, r"z in .* has the shape 1×7 \(<U1\)"),
        ({"z": np.full((2, 7), np.nan)}, "not finite"),
        ({"z": np.full((2, 7), 1e300)}, "not finite"),
        ({"images": np.zeros((2, 28, 28, 1))}, "no array 'z', but only: images"),
        (
            {"z": np.zeros((2, 7)), "y": np.zeros(3, int)},
            r"y in .* has the shape 3 \(int64\), but this model needs 2 integers",
        ),
        ({"z": np.zeros((2, 7)), "y": np.array([0, 3])}, "from 0 to 2"),
        ({"z": np.zeros((2, 7)), "y": np.array([-1, 0])}, "from 0 to 2"),
        ({"z": np.zeros((2, 7)), "y": np.zeros(2)}, "integers"),
        ({"z": np.array([{"a": 1}], dtype=object)}, "not a file of latents"),
    ],
)
def test_latents_with_the_wrong_shape_or_type_are_errors(
    arrays: dict[str, Any], message: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(GanctlError, match=message) as caught:
        latent_files.read(tmp_path / "x.npz", dim=7, num_classes=3)
    assert caught.value.status == 3
    assert caught.value.hint


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut off", b"\x93NUMPY"])
def test_files_of_other_types_are_errors(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(GanctlError, match="not a file of latents"):
        latent_files.read(tmp_path / "x.npz", dim=7)


def test_damaged_archive_is_an_error(tmp_path: Path) -> None:
    latent_files.write(tmp_path / "x.npz", torch.randn(50, 7))
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(GanctlError, match="not a file of latents"):
        latent_files.read(tmp_path / "x.npz", dim=7)


# ---- ganctl sample with --save-latents and --latents


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_saved_latents_generate_the_same_samples(
    tiny_run: Run, run_cli: Callable[..., tuple[int, str]]
) -> None:
    run = tiny_run.path
    status, output = run_cli(
        "sample", "--ckpt", run, "--n", 6, "--seed", 3, "--out", "a.png", "--save-latents", "z.npz"
    )
    assert (status, output) == (0, "Wrote 6 samples to a.png\nWrote their latents to z.npz\n")
    assert run_cli("sample", "--ckpt", run, "--latents", "z.npz", "--out", "b.png", "-q") == (0, "")
    assert Image.open("a.png").tobytes() == Image.open("b.png").tobytes()
    saved = np.load("z.npz", allow_pickle=False)
    assert set(saved.files) == {"z", "seed"}
    assert (saved["z"] == ganctl.load(run).latents(6, seed=3).numpy()).all()
    assert run_cli("sample", "--ckpt", run, "--latents", "z.npz", "--n", 2, "-q") == (0, "")
    assert Path(f"{tiny_run.name}-step-00000013-z-n2.png").exists()


def test_classes_are_saved(run_cli: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    small = {"hidden": "16"}
    ganctl.train(
        "cgan", {"name": "glyphs", "n": 20}, out="run", steps=1, batch_size=4, samples=1, quiet=True,
        generator=small, discriminator=small,
    )  # fmt: skip
    for options in ((), ("--class", "3"), ("--class", "all")):
        assert run_cli(
            "sample", "--ckpt", "run", "--n", 12, *options, "--out", "a.npz", "--save-latents", "z.npz", "-q",
            "--force",
        ) == (0, "")  # fmt: skip
        assert run_cli(
            "sample", "--ckpt", "run", "--latents", "z.npz", "--out", "b.npz", "-q", "--force"
        ) == (0, "")
        assert (np.load("a.npz")["images"] == np.load("b.npz")["images"]).all()
    assert np.load("z.npz")["y"].tolist() == [i // 12 for i in range(120)]
    # Generate a different class from the same latents.
    assert (
        run_cli(
            "sample",
            "--ckpt",
            "run",
            "--latents",
            "z.npz",
            "--n",
            1,
            "--class",
            "5",
            "-q",
            "--save-latents",
            "5.npz",
        )[0]
        == 0
    )
    assert np.load("5.npz")["y"] == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--latents", "two.npz", "--n", "3"], "3 samples need 3 latents, but there are only 2."),
        (["--latents", "two.npz", "--seed", "3"], "Both --seed and --latents were given."),
        (["--latents", "two.npz", "--truncation", "1"], "Both --truncation and --latents were given."),
        (["--save-latents", "x.pt"], "Latents are written as .npz files, not as x.pt."),
        (["--save-latents", "no/x.npz"], "There is no folder no."),
    ],
)
def test_invalid_options_are_errors(
    options: list[str], message: str, tiny_run: Run, run_cli: Callable[..., tuple[int, str]]
) -> None:
    latent_files.write(Path("two.npz"), torch.zeros(2, 100))
    status, output = run_cli("sample", "--ckpt", tiny_run.path, *options)
    assert (status, output.splitlines()[0]) == (2, f"error: {message}")
    assert [path.name for path in Path().iterdir()] == ["two.npz"]
