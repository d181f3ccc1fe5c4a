"""The checks accept what the documentation allows: encoders, second heads, and losses that call G."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from ganctl.cli import cli

FOLDER = Path(__file__).parent


@pytest.mark.parametrize("name", ["bigan", "d2gan", "lazy_r1", "stylegan2_mini", "vaegan"])
def test_plugins_check_finds_no_failure(name: str) -> None:
    result = CliRunner().invoke(cli, ["plugins", "check", str(FOLDER / f"{name}.py")])
    assert "no failures" in result.output, result.output
