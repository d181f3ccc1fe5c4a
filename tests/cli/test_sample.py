"""Test ``ganctl sample``."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganctl.cli import main
from ganctl.runs.folder import Run


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def ckpt(tiny_run: Run, tmp_path: Path) -> Path:
    return Path(shutil.copy(tiny_run.checkpoints[-1], tmp_path / "x.pt"))


def sample(*args: object) -> int:
    with pytest.raises(SystemExit) as end:
        main(["sample", *map(str, args)])
    return int(end.value.code or 0)


def test_default_is_a_grid(ckpt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sample("--ckpt", ckpt) == 0
    assert "Wrote 25 samples to x-seed0-n25.png" in capsys.readouterr().err
    assert Image.open("x-seed0-n25.png").size == (152, 152)


def test_checkpoint_can_be_given_as_a_run_folder(tiny_run: Run, ckpt: Path) -> None:
    assert sample("--ckpt", ckpt, "--out", "a.png") == 0
    assert sample("--ckpt", tiny_run.path, "--out", "b.png") == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_default_name_contains_seed_and_number(tiny_run: Run) -> None:
    assert sample("--ckpt", tiny_run.path, "--seed", 7, "--n", 4, "-q") == 0
    assert [path.name for path in Path().iterdir()] == [f"{tiny_run.name}-step-00000013-seed7-n4.png"]


def test_two_runs_never_overwrite_each_other(tiny_run: Run, tmp_path: Path) -> None:
    for folder, name in (("a", "00001-gan"), ("b", "00001-gan"), ("a", "00002-gan")):
        copy = Path(shutil.copytree(tiny_run.path, tmp_path / folder / name))
        if folder == "b":  # a different run with the same name
            latest = Run(copy).checkpoints[-1]
            shutil.copy(Run(copy).checkpoints[0], latest)
        assert sample("--ckpt", copy, "-q") == 0
    assert sorted(path.name for path in Path().glob("*.png")) == [
        "00001-gan-step-00000013-seed0-n25-2.png",
        "00001-gan-step-00000013-seed0-n25.png",
        "00002-gan-step-00000013-seed0-n25.png",
    ]


def test_same_command_replaces_its_output(ckpt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options in (
        [],
        ["--n", 25, "--batch-size", 7],
        ["--nrow", 3],
        ["--truncation", 1],
        ["--truncation", 1],
    ):
        assert sample("--ckpt", ckpt, *options) == 0
    assert [line.split()[-1] for line in capsys.readouterr().err.splitlines()] == [
        *3 * ["x-seed0-n25.png"],
        *2 * ["x-seed0-n25-2.png"],
    ]


def test_same_seed_produces_the_same_file(ckpt: Path) -> None:
    for out, options in (("a.png", ()), ("b.png", ("--batch-size", 3)), ("c.png", ("--seed", 1))):
        assert sample("--ckpt", ckpt, "--out", out, *options) == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert Path("a.png").read_bytes() != Path("c.png").read_bytes()


def test_larger_folder_starts_with_the_same_files(ckpt: Path) -> None:
    assert sample("--ckpt", ckpt, "--n", 5, "--out", "few") == 0
    assert sample("--ckpt", ckpt, "--n", 200, "--out", "many/samples/", "--batch-size", 33) == 0
    few, many = sorted(Path("few").iterdir()), sorted(Path("many/samples").iterdir())
    assert (len(few), len(many)) == (5, 200)
    assert [path.read_bytes() for path in few] == [path.read_bytes() for path in many[:5]]


def test_samples_can_be_saved_as_an_array(ckpt: Path) -> None:
    assert sample("--ckpt", ckpt, "--n", 10, "--out", "x.npz") == 0
    assert np.load("x.npz")["images"].shape == (10, 28, 28, 1)


def test_nrow_is_the_number_of_columns(ckpt: Path) -> None:
    assert sample("--ckpt", ckpt, "--n", 6, "--nrow", 6, "--out", "x.png") == 0
    assert Image.open("x.png").size == (182, 32)


def test_scale_enlarges_by_whole_pixels(ckpt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options in (("--out", "small"), ("--out", "large", "--scale", 3)):
        assert sample("--ckpt", ckpt, "--n", 4, *options) == 0
    for small, large in zip(sorted(Path("small").iterdir()), sorted(Path("large").iterdir()), strict=True):
        pixels = np.asarray(Image.open(small))
        assert np.array_equal(np.asarray(Image.open(large)), pixels.repeat(3, 0).repeat(3, 1))

    assert sample("--ckpt", ckpt, "--n", 4, "--scale", 3, "--out", "grid.png") == 0
    found = np.asarray(Image.open("grid.png"))
    assert found.shape == (2 * (84 + 2) + 2, 2 * (84 + 2) + 2), "gaps are not enlarged"
    assert np.array_equal(found[2:86, 2:86], np.asarray(Image.open("large/00000.png")))

    capsys.readouterr()
    assert sample("--ckpt", ckpt, "--scale", 3, "--out", "x.npz") == 2
    assert (
        capsys.readouterr().err
        == "error: --scale requires images.\nhint: Give --out FILE.png, or omit --scale.\n"
    )
    assert not Path("x.npz").exists()


def test_truncation_changes_the_samples(ckpt: Path) -> None:
    assert sample("--ckpt", ckpt, "--out", "a.png") == 0
    assert sample("--ckpt", ckpt, "--out", "b.png", "--truncation", 0.5) == 0
    assert Path("a.png").read_bytes() != Path("b.png").read_bytes()


def test_output_is_overwritten_only_with_the_same_samples(
    ckpt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--out", "x.png", "--save-latents", "z.npz"]
    for name in ("x.png", "z.npz"):
        for other in ("x.png", "z.npz"):
            Path(other).unlink(missing_ok=True)
        Path(name).write_text("old")
        assert sample("--ckpt", ckpt, *files) == 2
        assert f"error: {name} exists and was not created from the same inputs." in capsys.readouterr().err
        assert [Path(path).read_text() for path in ("x.png", "z.npz") if Path(path).exists()] == ["old"]
    for options, status in ((["--force"], 0), ([], 0), (["--seed", 1], 2)):
        assert sample("--ckpt", ckpt, *files, *options) == status
    assert Image.open("x.png").size == (152, 152)
    assert np.load("z.npz")["z"].shape == (25, 100)


def test_two_outputs_cannot_be_the_same_file(ckpt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sample("--ckpt", ckpt, "--out", "a.npz", "--save-latents", "./a.npz") == 2
    assert "a.npz would be written twice, by --save-latents and by --out." in capsys.readouterr().err
    assert not Path("a.npz").exists()


def test_quiet_prints_nothing(ckpt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sample("--ckpt", ckpt, "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_stdout_is_empty(ckpt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sample("--ckpt", ckpt, "--n", 100, "--out", "folder") == 0
    assert capsys.readouterr().out == ""
