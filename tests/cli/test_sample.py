"""Tests of ``ganctl sample``."""

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


def test_run_folder_instead_of_a_file(tiny_run: Run, ckpt: Path) -> None:
    assert sample("--ckpt", ckpt, "--out", "a.png") == 0
    assert sample("--ckpt", tiny_run.path, "--out", "b.png") == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_default_name_contains_seed_and_number(tiny_run: Run) -> None:
    assert sample("--ckpt", tiny_run.path, "--seed", 7, "--n", 4, "-q") == 0
    assert [path.name for path in Path().iterdir()] == ["step-00000013-seed7-n4.png"]


def test_same_seed_gives_the_same_file(ckpt: Path) -> None:
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


def test_array(ckpt: Path) -> None:
    assert sample("--ckpt", ckpt, "--n", 10, "--out", "x.npz") == 0
    assert np.load("x.npz")["images"].shape == (10, 28, 28, 1)


def test_nrow_is_the_number_of_columns(ckpt: Path) -> None:
    assert sample("--ckpt", ckpt, "--n", 6, "--nrow", 6, "--out", "x.png") == 0
    assert Image.open("x.png").size == (182, 32)


def test_truncation_changes_the_samples(ckpt: Path) -> None:
    assert sample("--ckpt", ckpt, "--out", "a.png") == 0
    assert sample("--ckpt", ckpt, "--out", "b.png", "--truncation", 0.5) == 0
    assert Path("a.png").read_bytes() != Path("b.png").read_bytes()


def test_existing_grid_is_overwritten(ckpt: Path) -> None:
    Path("x.png").write_text("old")
    assert sample("--ckpt", ckpt, "--out", "x.png") == 0
    assert Image.open("x.png").size == (152, 152)


def test_quiet_prints_nothing(ckpt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sample("--ckpt", ckpt, "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_stdout_is_empty(ckpt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sample("--ckpt", ckpt, "--n", 100, "--out", "folder") == 0
    assert capsys.readouterr().out == ""
