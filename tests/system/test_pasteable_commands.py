"""Test that every command printed by ganctl can be pasted into a shell."""

from __future__ import annotations

import ast
import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from helpers.printed_commands import PLACEHOLDER, check_command, commands_in

from ganctl.cli import COMMANDS, cli
from ganctl.system.pasteable_commands import ganctl_command, ganctl_pattern, quote

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "ganctl").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")])
WORDS = [
    "plain", "two  spaces", "it's", 'a "quote"', "a$b", "`id`", "a;b&c|d>e", "*", "~", "#no-comment", "", "grün", "a!b",
    "a\nb", "tab\there", "\x1b[31mred", os.fsdecode(b"caf\xe9"), "a\\b'\n",
]  # fmt: skip


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize("word", WORDS, ids=ascii)
def test_shell_reads_a_quoted_word_unchanged(word: str) -> None:
    script = f"printf '%s\\0' {quote(word)}"
    assert "\n" not in quote(word)
    shown = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout
    assert os.fsdecode(shown) == word + "\0"


def test_command_contains_the_plugin_files() -> None:
    command = ganctl_command("sample", "--ckpt", Path("my runs/1"), plugins=["./my loss.py", Path("b.py")])
    assert command == "ganctl sample --ckpt 'my runs/1' --plugin 'my loss.py' --plugin b.py"


def test_path_with_a_leading_hyphen_is_not_an_option() -> None:
    assert ganctl_command("report", Path("-runs/1")) == "ganctl report ./-runs/1"


def test_command_pattern_must_contain_a_placeholder() -> None:
    assert ganctl_pattern("info", "NAME") == "ganctl info NAME"
    with pytest.raises(ValueError, match="placeholder"):
        ganctl_pattern("list", "models")


@pytest.mark.parametrize(
    "command",
    [
        "ganctl trian --model dcgan",
        "ganctl train --modle dcgan",
        "ganctl info",
        "ganctl sample --n 3",
        "ganctl sample --ckpt x --n zero",
        "ganctl list models and more",
        "ganctl list modles",
    ],
)
def test_check_refuses_an_invalid_command(command: str) -> None:
    with pytest.raises(AssertionError, match="which ganctl refuses"):
        check_command(command)


def test_commands_are_found_in_messages() -> None:
    text = "hint: Enable it: ganctl plugins enable x\n  ganctl list\nganctl 0.1.0, torch\nan earlier ganctl made it"
    assert list(commands_in(text)) == ["ganctl plugins enable x", "ganctl list"]


#: Maps text that looks like a command to the reason why it is allowed.
NOT_COMMANDS = {"ganctl sweep {}": "seed of a sweep's random draws"}


def literals(tree: ast.AST) -> Iterator[str]:
    """Yield every string in ``tree`` that is not a docstring, with ``{}`` in place of inserted values."""
    docstrings, parts = set(), set()
    for node in ast.walk(tree):
        if (
            isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and ast.get_docstring(node) is not None
        ):
            docstrings.add(node.body[0].value)  # type: ignore[attr-defined]
        if isinstance(node, ast.JoinedStr):
            parts.update(node.values)
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values)
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and not {node} & (docstrings | parts)
        ):
            yield node.value


def test_only_constant_commands_are_written_out_in_the_source() -> None:
    """Commands with inserted values are built with ganctl_command, and all other commands can be parsed."""
    named = re.compile(rf"\bganctl (?:--?\w+ )?(?:{'|'.join(COMMANDS)})\b(?!:)")
    checked = 0
    for path in SOURCES:
        for text in literals(ast.parse(path.read_text(encoding="utf-8"))):
            for line in text.splitlines():
                if not named.search(line) or line in NOT_COMMANDS:
                    continue
                found = [*commands_in(line), *re.findall(r"'(ganctl [^']*)'", line)]
                assert found, f"{path}: put the command at the end, after ': ', or quote it: {line}"
                for command in found:
                    assert "{" not in command, f"{path}: use ganctl_command: {line}"
                    assert command == command.strip(), f"{path}: use ganctl_command: {line}"
                    check_command(command)
                    checked += 1
    assert checked > 30


def test_ganctl_command_is_called_without_placeholders() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ganctl_command":
                words = [a.value for a in node.args if isinstance(a, ast.Constant)]
                assert not any(PLACEHOLDER.search(str(word)) for word in words), f"{path}: use ganctl_pattern"


def all_commands() -> Iterator[click.Command]:
    pending: list[click.Command] = list(COMMANDS.values())
    while pending:
        command = pending.pop()
        pending += command.commands.values() if isinstance(command, click.Group) else ()
        yield command


def test_commands_in_help_texts_can_be_parsed() -> None:
    checked = 0
    for command in all_commands():
        context = click.Context(cli, info_name="ganctl")
        texts = [
            command.epilog or "",
            command.help or "",
            *(getattr(p, "help", "") or "" for p in command.params),
        ]
        for shown in itertools.chain.from_iterable(map(commands_in, texts)):
            check_command(shown)
            checked += 1
        assert command.get_help(click.Context(command, parent=context))
    assert checked > 40
