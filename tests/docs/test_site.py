"""The documentation site: every page is in it, and it builds without a warning."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MADE_BY_THE_HOOK = {"CONTRIBUTING.md", "CHANGELOG.md", "reference.md"}
TOOLS = ("mkdocs", "material", "mkdocstrings")


def test_every_page_has_its_place() -> None:
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    places = re.findall(r"([\w/-]+\.md)", nav)
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "contracts").glob("*.md")]
    assert sorted(places) == sorted({str(p.relative_to(ROOT / "docs")) for p in pages} | MADE_BY_THE_HOOK)


@pytest.mark.slow
@pytest.mark.skipif(
    not all(importlib.util.find_spec(tool) for tool in TOOLS), reason="needs the extra 'docs': mkdocs"
)
def test_it_builds_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    reference = (tmp_path / "site" / "reference" / "index.html").read_text(encoding="utf-8")
    for name in ("ganctl.Loss", "ganctl.penalties", "ganctl.testing", "register_losses"):
        assert f'id="{name}' in reference or f".{name}" in reference, name
    # What the docstrings say reached the page, without marks that only editors know.
    assert "discriminator_loss" in reference
    assert ":func:" not in reference
