from __future__ import annotations

from pathlib import Path

from ganctl.system.numbered_folder import create_numbered_folder


def test_numbers_are_consecutive_and_names_are_safe(tmp_path: Path) -> None:
    parent = tmp_path / "new" / "runs"
    names = [create_numbered_folder(parent, name, default="run").name for name in ("a", "../b c", "///")]
    assert names == ["00001-a", "00002-b-c", "00003-run"]
    (parent / "100006-more-than-five-digits").mkdir()
    assert create_numbered_folder(parent, "a", default="run").name == "100007-a"


def test_long_names_are_truncated(tmp_path: Path) -> None:
    assert create_numbered_folder(tmp_path, "x" * 250, default="run").is_dir()


def test_prepared_folder_can_be_moved_to_the_numbered_path(tmp_path: Path) -> None:
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    (prepared / "file").touch()
    path = create_numbered_folder(tmp_path / "sweeps", "a", prepared.rename, default="sweep")
    assert (path / "file").exists()
    assert not prepared.exists()
