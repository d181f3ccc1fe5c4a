"""Test that help pages, listings and shell completion avoid unneeded imports."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ganctl.cli import COMMANDS
from ganctl.plugin.registry import KINDS

HEAVY = ("torch", "torchvision", "numpy", "PIL", "rich", "matplotlib", "tensorboard", "scipy", "pygments")
#: Modules needed by other commands. Each would delay ``--help`` and ``list`` by a few milliseconds.
UNNEEDED = ("filelock", "packaging", "tomllib", "tomli", "hashlib", "difflib", "asyncio", "multiprocessing")

#: Runs ganctl while imports of HEAVY modules raise an error, then prints which HEAVY modules are imported.
BLOCKED = f"""
import sys
from importlib.abc import MetaPathFinder

class Block(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise AssertionError(f"{{name}} was imported")

sys.meta_path.insert(0, Block())
from ganctl.cli import main
try:
    main(sys.argv[1:])
finally:
    print("imported:", sorted(set(sys.modules) & set({HEAVY!r})))
"""


def run_blocked(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", BLOCKED, *args], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--help",),
        ("--version",),
        ("plugins",),
        ("list",),
        ("list", "--json"),
        *(("list", plural) for plural in KINDS.values()),
        *((name, "--help") for name in COMMANDS),
    ],
    ids=" ".join,
)
def test_help_and_listings_avoid_slow_imports(args: tuple[str, ...]) -> None:
    result = run_blocked(*args)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert result.stdout.endswith("imported: []\n")
    assert len(result.stdout.splitlines()) > 1


def test_blocked_import_raises_an_error() -> None:
    result = run_blocked("info", "dcgan")
    assert result.returncode == 1
    assert "torch was imported" in result.stderr


@pytest.mark.parametrize("args", [("--help",), ("list",), ("list", "models")], ids=" ".join)
def test_help_and_list_import_only_what_they_need(args: tuple[str, ...]) -> None:
    code = f"""
import sys
import click, pluggy
before = set(sys.modules)
from ganctl.cli import main
try:
    main(sys.argv[1:])
finally:
    print("imported:", sorted((set(sys.modules) - before) & set({UNNEEDED!r})))
"""
    result = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("imported: []\n")


def test_completion_avoids_slow_imports() -> None:
    environment = {
        **os.environ,
        "_GANCTL_COMPLETE": "bash_complete",
        "COMP_WORDS": "ganctl train --model dc",
        "COMP_CWORD": "3",
    }
    result = subprocess.run(
        [sys.executable, "-c", BLOCKED], env=environment, capture_output=True, text=True, timeout=60
    )
    assert "plain,dcgan\n" in result.stdout
    assert "imported: []" in result.stdout


def test_importing_ganctl_avoids_slow_imports() -> None:
    code = "import sys, ganctl; print(sorted(set(sys.modules) & {'torch', 'numpy', 'PIL', 'rich', 'click'}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout == "[]\n"
