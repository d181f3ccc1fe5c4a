"""Test output on narrow terminals, in pipes and in limited encodings."""

from __future__ import annotations

import ast
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ganctl.cli.terminal_output import print_table, replace_unencodable_characters

Run = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("args", [("list", "models"), ("train", "--help"), ("list",)], ids=" ".join)
def test_limited_encoding_is_not_an_error(ganctl: Run, encoding: str, args: tuple[str, ...]) -> None:
    result = ganctl(*args, env={"PYTHONIOENCODING": encoding, "LC_ALL": "C"}, encoding="latin-1")
    assert result.returncode == 0
    assert result.stderr == ""


def test_symbols_are_replaced_with_similar_ascii(ganctl: Run) -> None:
    result = ganctl("info", "mlp", env={"PYTHONIOENCODING": "ascii"})
    assert "Parameters at 28x28x1" in result.stdout
    assert "float NxCxHxW in [-1, 1]" in result.stdout  # instead of a multiplication sign and a minus sign
    assert "?" not in result.stdout


def test_equations_are_replaced_with_ascii(ganctl: Run) -> None:
    output = ganctl("info", "wgan-gp", env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}).stdout
    assert "E D(G(z)) - E D(x) + lambda*E(||grad D(x_hat)|| - 1)^2" in output
    assert "?" not in output


@pytest.mark.parametrize("folder", ["ganctl", "plugins"])
def test_every_character_in_a_string_has_an_ascii_replacement(folder: str) -> None:
    strings = [
        node.value
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    replace_unencodable_characters()
    lacking = {
        c
        for text in strings
        for c in text
        if c.isprintable() and not c.isascii() and c.encode("ascii", "ganctl") == b"?"
    }
    assert lacking <= {"�"}


def test_errors_are_readable_in_a_limited_encoding(ganctl: Run) -> None:
    result = ganctl("info", "dcgän", env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"})
    assert result.returncode == 2
    assert "dcg?n" in result.stderr


def test_closed_stdout_is_not_an_error(ganctl: Run) -> None:
    code = "import sys; sys.stdout = None; from ganctl.cli import main; main(['list'])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")


def on_terminal(columns: int, *args: str) -> str:
    """Return the output of ``ganctl ARGS`` on a terminal with ``columns`` columns."""
    reader, writer = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "LINES": "40"}
    process = subprocess.Popen([sys.executable, "-m", "ganctl", *args], stdout=writer, env=environment)
    os.close(writer)
    output = b""
    try:
        while block := os.read(reader, 65536):
            output += block
    except OSError:  # Linux reports the end of the output as an error
        pass
    os.close(reader)
    assert process.wait(60) == 0
    return output.decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("columns", "args"),
    [
        *((60, ("list", "datasets")), (80, ("list", "models")), (120, ("list", "losses"))),
        *((60, ("list",)), (80, ("plugins",)), (60, ("info", "adam"))),
    ],
)
def test_lines_fit_the_terminal(columns: int, args: tuple[str, ...]) -> None:
    lines = on_terminal(columns, *args).splitlines()
    assert len(lines) > 3
    assert max(map(len, lines)) <= columns


def test_piped_output_has_one_line_per_row(ganctl: Run) -> None:
    piped = ganctl("list", "datasets", env={"COLUMNS": "40"}).stdout
    assert len(piped.splitlines()) == 1 + 11
    assert len(on_terminal(60, "list", "datasets").splitlines()) > 12


def test_output_has_no_colors(ganctl: Run) -> None:
    assert (
        "\x1b" not in on_terminal(80, "list") + on_terminal(80, "--help") + ganctl("doctor", "--help").stdout
    )


def test_columns_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["A", "LONG HEADER", "C"], [["a", "b", "c"], ["aaaa", "×", ""]], wrap=[1])
    assert capsys.readouterr().out == "A     LONG HEADER  C\na     b            c\naaaa  ×\n"
