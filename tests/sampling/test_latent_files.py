"""Latents in a file: what was saved draws the same pictures, and what does not fit is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ganctl
from ganctl import GanctlError
from ganctl.runs.folder import Run
from ganctl.sampling import latent_files


def test_what_is_written_is_read(tmp_path: Path) -> None:
    z, y = torch.randn(5, 7), torch.tensor([0, 1, 2, 1, 0])
    latent_files.write(tmp_path / "x.npz", z, y, seed=3)
    found = latent_files.read(tmp_path / "x.npz", dim=7, num_classes=3)
    assert torch.equal(found.z, z)
    assert found.y is not None
    assert torch.equal(found.y, y)
    assert np.load(tmp_path / "x.npz", allow_pickle=False)["seed"] == 3
    assert latent_files.read(tmp_path / "x.npz", dim=7).y is None  # a model without classes


def test_files_of_ones_own(tmp_path: Path) -> None:
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
        ({"z": np.zeros((2, 8))}, "z in .* is 2×8 of float64, and this model needs N×7 numbers"),
        ({"z": np.zeros((2, 1, 7))}, "z in .* is 2×1×7"),
        ({"z": np.zeros((0, 7))}, "z in .* is 0×7"),
        ({"z": np.float32(1)}, "z in .* is a single value"),
        ({"z": np.array([["a"] * 7])}, "z in .* is 1×7 of <U1"),
        ({"z": np.full((2, 7), np.nan)}, "not finite"),
        ({"z": np.full((2, 7), 1e300)}, "not finite"),
        ({"images": np.zeros((2, 28, 28, 1))}, "no latents: it holds images"),
        (
            {"z": np.zeros((2, 7)), "y": np.zeros(3, int)},
            "y in .* is 3 of int64, and this model needs 2 whole",
        ),
        ({"z": np.zeros((2, 7)), "y": np.array([0, 3])}, "from 0 to 2"),
        ({"z": np.zeros((2, 7)), "y": np.array([-1, 0])}, "from 0 to 2"),
        ({"z": np.zeros((2, 7)), "y": np.zeros(2)}, "whole numbers"),
        ({"z": np.array([{"a": 1}], dtype=object)}, "not a file of latents"),
    ],
)
def test_what_does_not_fit_is_said(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(GanctlError, match=message) as caught:
        latent_files.read(tmp_path / "x.npz", dim=7, num_classes=3)
    assert caught.value.status == 3
    assert caught.value.hint


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut off", b"\x93NUMPY"])
def test_what_is_no_file_of_latents(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(GanctlError, match="not a file of latents"):
        latent_files.read(tmp_path / "x.npz", dim=7)


def test_a_damaged_archive(tmp_path: Path) -> None:
    latent_files.write(tmp_path / "x.npz", torch.randn(50, 7))
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(GanctlError, match="not a file of latents"):
        latent_files.read(tmp_path / "x.npz", dim=7)


# ``ganctl sample --save-latents`` and ``--latents``.


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_saved_latents_draw_the_same_pictures(tiny_run: Run, run_cli: Callable[..., tuple[int, str]]) -> None:
    run = tiny_run.path
    status, said = run_cli(
        "sample", "--ckpt", run, "--n", 6, "--seed", 3, "--out", "a.png", "--save-latents", "z.npz"
    )
    assert (status, said) == (0, "6 pictures in a.png\nTheir latents in z.npz\n")
    assert run_cli("sample", "--ckpt", run, "--latents", "z.npz", "--out", "b.png", "-q") == (0, "")
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    saved = np.load("z.npz", allow_pickle=False)
    assert set(saved.files) == {"z", "seed"}
    assert (saved["z"] == ganctl.load(run).latents(6, seed=3).numpy()).all()
    assert run_cli("sample", "--ckpt", run, "--latents", "z.npz", "--n", 2, "-q") == (0, "")
    assert Path("step-00000013-z-n2.png").exists()


def test_with_their_classes(run_cli: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    small = {"hidden": "16"}
    ganctl.train(
        "cgan", {"name": "glyphs", "n": 20}, out="run", steps=1, batch_size=4, samples=1, quiet=True,
        generator=small, discriminator=small,
    )  # fmt: skip
    for options in ((), ("--class", "3"), ("--class", "all")):
        assert run_cli(
            "sample", "--ckpt", "run", "--n", 12, *options, "--out", "a.npz", "--save-latents", "z.npz", "-q"
        ) == (0, "")  # fmt: skip
        assert run_cli("sample", "--ckpt", "run", "--latents", "z.npz", "--out", "b.npz", "-q") == (0, "")
        assert (np.load("a.npz")["images"] == np.load("b.npz")["images"]).all()
    assert np.load("z.npz")["y"].tolist() == [i // 12 for i in range(120)]
    # Another class for the same latents.
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
        (["--latents", "two.npz", "--n", "3"], "3 pictures need as many latents, and there are 2."),
        (["--latents", "two.npz", "--seed", "3"], "Both --seed and --latents were given."),
        (["--latents", "two.npz", "--truncation", "1"], "Both --truncation and --latents were given."),
        (["--save-latents", "x.pt"], "Latents are written as .npz, not as x.pt."),
        (["--save-latents", "no/x.npz"], "There is no folder no."),
    ],
)
def test_what_is_wrong_is_said(
    options: list[str], message: str, tiny_run: Run, run_cli: Callable[..., tuple[int, str]]
) -> None:
    latent_files.write(Path("two.npz"), torch.zeros(2, 100))
    status, said = run_cli("sample", "--ckpt", tiny_run.path, *options)
    assert (status, said.splitlines()[0]) == (2, f"error: {message}")
    assert [path.name for path in Path().iterdir()] == ["two.npz"]
