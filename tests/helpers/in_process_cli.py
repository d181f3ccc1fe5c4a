"""``ganctl`` within the test's own process."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from ganctl.cli import main


class Result(NamedTuple):
    status: int
    stdout: str
    stderr: str


def run(capsys: pytest.CaptureFixture[str], *args: object) -> Result:
    """What ``ganctl ARGS`` prints and exits with."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main([str(arg) for arg in args])
    out, err = capsys.readouterr()
    status = end.value.code or 0
    assert isinstance(status, int)
    return Result(status, out, err)


def assert_clear(result: Result, status: int, *words: object) -> None:
    """An error of ``status`` in two lines that a user can act on, with all of ``words``."""
    assert result.status == status, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith(("error:", "hint:"))]
    assert lines, result.stderr
    assert lines[0].startswith("error:"), result.stderr
    assert "Traceback" not in result.stderr
    assert "bug in ganctl" not in result.stderr
    text = "\n".join(lines)
    for word in words:
        assert str(word) in text, f"{word!r} is not in {text!r}"
