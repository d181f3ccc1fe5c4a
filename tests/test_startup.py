"""Asking ganctl something is instant: nothing heavy is imported for a help page or a listing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ganctl.cli import COMMANDS
from ganctl.plugin.registry import KINDS

HEAVY = ("torch", "torchvision", "numpy", "PIL", "rich", "matplotlib", "tensorboard", "scipy")

#: Runs ganctl where importing any of HEAVY fails, then names what was imported all the same.
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
def test_help_and_listings_work_where_nothing_heavy_can_be_imported(args: tuple[str, ...]) -> None:
    result = run_blocked(*args)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert result.stdout.endswith("imported: []\n")
    assert len(result.stdout.splitlines()) > 1


def test_the_block_blocks() -> None:
    result = run_blocked("info", "dcgan")
    assert result.returncode == 1
    assert "torch was imported" in result.stderr


def test_completion_imports_nothing_heavy() -> None:
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


def test_import_ganctl_is_light_too() -> None:
    code = "import sys, ganctl; print(sorted(set(sys.modules) & {'torch', 'numpy', 'PIL', 'rich', 'click'}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout == "[]\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows does not tell the processor time of children")
def test_help_takes_under_a_quarter_of_a_second() -> None:
    """Of processor time, the best of several: other processes run beside this one."""

    def seconds() -> float:
        before = os.times()
        subprocess.run(
            [sys.executable, "-m", "ganctl", "--help"], capture_output=True, check=True, timeout=60
        )
        after = os.times()
        return sum(after[2:4]) - sum(before[2:4])  # of children: user and system

    taken = []
    while len(taken) < 15 and min(taken, default=1.0) >= 0.25:
        taken.append(seconds())
    assert 0 < min(taken) < 0.25
