"""Test that the notebooks in docs/ are small, fully executed, and free of errors and local paths."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

import ganctl

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    return [
        cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind
    ]


def test_every_notebook_is_linked_from_the_experiments_page() -> None:
    assert len(NOTEBOOKS) == 6
    page = (FOLDER.parent / "experiments.md").read_text(encoding="utf-8")
    assert [p.name for p in NOTEBOOKS if f"notebooks/{p.name}" not in page] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_small_and_fully_executed(path: Path) -> None:
    assert path.stat().st_size < 500_000
    code = cells(path, "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert [o for o in outputs if {"image/png", "text/html"} & o.get("data", {}).keys()]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_contains_no_local_path(path: Path) -> None:
    assert not re.findall(
        r"[\"' (]/(?:home|root|tmp|work|Users|var)/[\w/.-]*", path.read_text(encoding="utf-8")
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_uses_only_public_names(path: Path) -> None:
    tree = ast.parse("\n".join("".join(cell["source"]) for cell in cells(path, "code")))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ganctl"
    }
    assert used
    assert used <= set(ganctl.__all__)
