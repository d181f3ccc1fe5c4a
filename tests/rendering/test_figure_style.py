"""Test that figures do not depend on the user's matplotlib settings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest
from matplotlib.font_manager import FontManager, fontManager, json_dump

from ganctl.rendering import curves
from ganctl.rendering.figure_style import STYLE, figure_style

RECORDS = [{"step": s, "g_loss": 1.0, "d_loss": 0.5, "D(x)": 0.7, "D(G(z))": 0.3} for s in (1, 2, 3)]
DRAW = f"""
import sys
from pathlib import Path
from ganctl.rendering import curves
curves.draw({RECORDS!r}, Path(sys.argv[1]), "a_$run")
assert "matplotlib.pyplot" not in sys.modules
"""


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "Qt4Agg"])
def test_curves_ignore_the_backend_and_the_matplotlibrc(tmp_path: Path, backend: str) -> None:
    curves.draw(RECORDS, tmp_path / "expected.png", "a_$run")
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nlines.linewidth: 9\nfigure.facecolor: red\n")
    environment = {**os.environ, "MPLBACKEND": backend, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", DRAW, str(tmp_path / "curves.png")]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "curves.png").read_bytes() == (tmp_path / "expected.png").read_bytes()


@pytest.mark.parametrize(
    "fault", ["undecodable matplotlibrc", "unwritable folder", "broken font cache", "lost fonts"]
)
def test_curves_are_drawn_with_a_broken_matplotlib_folder(tmp_path: Path, fault: str) -> None:
    curves.draw(RECORDS, tmp_path / "expected.png", "a_$run")
    folder = tmp_path / "folder"
    folder.mkdir()
    if fault == "undecodable matplotlibrc":
        (folder / "matplotlibrc").write_bytes("text.usetex: True\n".encode("utf-16"))
    elif fault == "unwritable folder":
        folder.rmdir()
        folder.write_text("not a folder")
    else:
        name = f"fontlist-v{FontManager.__version__}.json"
        json_dump(fontManager, str(folder / name))
        text = (folder / name).read_text()
        lost = re.sub(r'"fname": "[^"]*"', '"fname": "/nonexistent/font.ttf"', text)
        (folder / name).write_text(text[:100] if fault == "broken font cache" else lost)
    environment = {**os.environ, "MPLCONFIGDIR": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", DRAW, str(tmp_path / "curves.png")]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "curves.png").read_bytes() == (tmp_path / "expected.png").read_bytes()


def test_style_is_removed_after_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(matplotlib.rcParams, "lines.linewidth", 9.0)
    monkeypatch.setitem(matplotlib.rcParams, "text.usetex", True)
    before = dict(matplotlib.rcParams)
    with figure_style():
        assert matplotlib.rcParams["lines.linewidth"] == STYLE["lines.linewidth"]
        assert not matplotlib.rcParams["text.usetex"]
    assert dict(matplotlib.rcParams) == before


def test_import_does_not_change_the_backend_of_pyplot(tmp_path: Path) -> None:
    code = DRAW + "import matplotlib; print(matplotlib.rcParams['backend'])"
    environment = {**os.environ, "MPLBACKEND": "svg", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(tmp_path / "curves.png")]
    assert (
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout == "svg\n"
    )
