"""Run ``ganctl`` commands within the test's own process."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from ganctl.cli import main


class Result(NamedTuple):
    """Exit status and output of a command."""

    status: int
    stdout: str
    stderr: str


def run(capsys: pytest.CaptureFixture[str], *args: object) -> Result:
    """Run ``ganctl ARGS`` and return its exit status and output."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main([str(arg) for arg in args])
    out, err = capsys.readouterr()
    status = end.value.code or 0
    assert isinstance(status, int)
    return Result(status, out, err)


def assert_error(result: Result, status: int, *words: object) -> None:
    """Check that the command failed with ``status`` and an ``error:`` line, without a traceback.

    The ``error:`` and ``hint:`` lines must contain all ``words``.
    """
    assert result.status == status, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith(("error:", "hint:"))]
    assert lines, result.stderr
    assert lines[0].startswith("error:"), result.stderr
    assert "Traceback" not in result.stderr
    assert "bug in ganctl" not in result.stderr
    text = "\n".join(lines)
    for word in words:
        assert str(word) in text, f"{word!r} is not in {text!r}"
