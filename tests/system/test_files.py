from __future__ import annotations

from pathlib import Path

import pytest

from ganctl import GanctlError
from ganctl.system.files import TEMPORARY_NAME, require_parent, temporary_beside, write_atomically


def test_file_with_a_name_of_maximum_length_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".png")
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_temporary_files_from_two_containers_have_different_names(tmp_path: Path) -> None:
    first, second = (
        temporary_beside(tmp_path / "x"),
        temporary_beside(tmp_path / "x"),
    )  # the PID may be 1 in both containers
    assert first != second
    assert TEMPORARY_NAME.fullmatch(first.name)


def test_require_parent_refuses_a_missing_folder(tmp_path: Path) -> None:
    require_parent(tmp_path / "x.png")
    with pytest.raises(GanctlError, match=r"There is no folder .*missing\.") as error:
        require_parent(tmp_path / "missing" / "x.png")
    assert error.value.status == 2
