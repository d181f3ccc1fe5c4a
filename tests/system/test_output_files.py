"""Test that output files record their inputs, so that a command replaces only files with the same inputs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from ganctl import GanctlError
from ganctl.rendering.animation import save_animation
from ganctl.rendering.grid import grid, save_png
from ganctl.sampling import latent_files
from ganctl.system.output_files import check_distinct, check_replaceable, default_file, record

torch = pytest.importorskip("torch")


def test_record_depends_on_options_and_file_contents(tmp_path: Path) -> None:
    a, b, c = (tmp_path / name for name in "abc")
    a.write_text("1"), b.write_text("1"), c.write_text("2")
    assert record("sample", {"n": 1}, [a]) == record("sample", {"n": 1}, [b])
    others = [
        record("sample", {"n": 1}, [c]),
        record("sample", {"n": 2}, [a]),
        record("sample", {"n": 1}),
        record("traverse", {"n": 1}, [a]),
        record("sample", {"n": 1}, [tmp_path]),
    ]
    assert len({record("sample", {"n": 1}, [a]), *others}) == 6


@pytest.mark.parametrize("suffix", [".png", ".gif", ".mp4", ".npz"])
def test_record_is_found_in_every_format(tmp_path: Path, suffix: str) -> None:
    if suffix == ".mp4":
        pytest.importorskip("av")
    mine, path = record("sample", {"n": 1}), tmp_path / f"x{suffix}"
    # The image is larger than the parts of the file that are searched.
    noise = torch.randint(0, 256, (6, 3, 200, 300), dtype=torch.uint8, generator=torch.manual_seed(0))
    if suffix == ".png":
        save_png(grid(noise), path, comment=mine)
    elif suffix == ".npz":
        path.write_bytes(latent_files.npz({"images": noise.numpy()}, comment=mine))
        assert np.array_equal(np.load(path)["images"], noise.numpy())
    else:
        save_animation([frame.permute(1, 2, 0).numpy() for frame in noise], path, comment=mine)
    assert path.stat().st_size > 200_000 or suffix == ".mp4"
    check_replaceable(path, mine, force=False)
    with pytest.raises(GanctlError, match="was not created from the same inputs") as error:
        check_replaceable(path, record("sample", {"n": 2}), force=False)
    assert "--force" in error.value.hint
    check_replaceable(path, record("sample", {"n": 2}), force=True)


def test_default_name_is_numbered_unless_the_file_is_the_same(tmp_path: Path) -> None:
    one, two = record("sample", {"n": 1}), record("sample", {"n": 2})
    for made_from, name in ((one, "x.png"), (two, "x-2.png"), (one, "x.png"), (two, "x-2.png")):
        path = default_file(tmp_path, "x", ".png", made_from)
        assert path == tmp_path / name
        path.write_text(made_from)
    (tmp_path / "x-3.png").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "x-4.png")  # must not be opened
    assert default_file(tmp_path, "x", ".png", record("sample", {})) == tmp_path / "x-5.png"


@pytest.mark.parametrize("name", ["a/b", "..", "x" * 300, "猫" * 200])
def test_default_name_is_valid(tmp_path: Path, name: str) -> None:
    path = default_file(tmp_path, f"x-class-{name}", ".png", "made from")
    path.write_text("")
    assert path.parent == tmp_path
    assert path.name.startswith("x-class-")


def test_two_outputs_cannot_be_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check_distinct([("--out", Path("a.npz")), ("--save-latents", Path("b.npz"))])
    with pytest.raises(GanctlError, match="would be written twice, by --out and by --save-latents"):
        check_distinct([("--out", Path("a.npz")), ("--save-latents", tmp_path / "a.npz")])
