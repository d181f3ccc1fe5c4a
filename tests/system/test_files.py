from __future__ import annotations

from pathlib import Path

import pytest

from ganctl import GanctlError
from ganctl.system.files import require_parent


def test_require_parent_refuses_a_missing_folder(tmp_path: Path) -> None:
    require_parent(tmp_path / "x.png")
    with pytest.raises(GanctlError, match=r"There is no folder .*missing\.") as error:
        require_parent(tmp_path / "missing" / "x.png")
    assert error.value.status == 2
