"""Write the files and run the commands of docs/tutorial.md in an empty folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.virtual_environments import Environment, needs_pip

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
#: A code block after a line with a file name is the content of that file. An sh block is run.
STEP = re.compile(r"^`(?P<file>[\w./]+)`:\n\n```\w+\n(?P<text>.*?)^```|^```sh\n(?P<sh>.*?)^```", re.M | re.S)


@needs_pip
@pytest.mark.slow
def test_tutorial_works_when_followed_word_for_word(tmp_path: Path) -> None:
    fresh = Environment(tmp_path / "venv")
    folder = tmp_path / "empty"
    folder.mkdir()
    outputs, files, where = {}, 0, tmp_path / "where"
    for step in STEP.finditer(PAGE.read_text(encoding="utf-8")):
        if step["file"]:
            assert (folder / step["file"]).parent.is_dir(), f"no folder yet for {step['file']}"
            (folder / step["file"]).write_text(step["text"], encoding="utf-8")
            files += 1
        else:
            outputs[step["sh"]] = fresh.sh(f"{step['sh']}\npwd > {where}", folder)
            folder = Path(
                where.read_text().strip()
            )  # a block may change the working folder for the blocks that follow
    assert files == 6
    assert len(outputs) == 8
    everything = "\n".join(outputs.values())
    assert "3 passed" in everything
    assert "2 checked, no failures." in everything  # the file
    assert "5 checked, no failures." in everything  # the package
    assert folder.name == "ganctl-cosh"
    assert (folder / "rings.png").stat().st_size > 100
    assert list(folder.glob("dist/*.whl"))
    assert "Traceback" not in everything
    assert "warning" not in everything
