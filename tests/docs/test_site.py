"""Test that the documentation site contains every page and builds without warnings."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FROM_SITE_HOOKS = {"CONTRIBUTING.md", "CHANGELOG.md", "reference.md"}
TOOLS = ("mkdocs", "material", "mkdocstrings")


def test_navigation_contains_every_page() -> None:
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    listed = re.findall(r"([\w/-]+\.md)", nav)
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "contracts").glob("*.md")]
    assert sorted(listed) == sorted({str(p.relative_to(ROOT / "docs")) for p in pages} | FROM_SITE_HOOKS)


@pytest.mark.slow
@pytest.mark.skipif(
    not all(importlib.util.find_spec(tool) for tool in TOOLS), reason="needs the extra 'docs': mkdocs"
)
def test_site_builds_without_warnings(tmp_path: Path) -> None:
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
    # The page contains the docstrings without reStructuredText markup.
    assert "discriminator_loss" in reference
    assert ":func:" not in reference
