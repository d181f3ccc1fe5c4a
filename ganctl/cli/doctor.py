"""``ganctl doctor``: check this installation, for users and bug reports."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ganctl.cli.path_type import PathType
from ganctl.cli.shared_options import json_option
from ganctl.cli.terminal_output import fold, print_json, terminal_width
from ganctl.errors import FAILED
from ganctl.system.terminal import can_redraw

ERASE = "\r\x1b[K"  # moves the cursor to the start of the line and erases the line


@click.command()
@click.option(
    "--data-root",
    type=PathType(),
    default=Path("data"),
    envvar="GANCTL_DATA_ROOT",
    show_default=True,
    show_envvar=True,
    help="Folder in which datasets are stored.",
)
@json_option
def doctor(data_root: Path, as_json: bool) -> None:
    """Check this installation.

    The exit status is 0 if training can start. Include the output in bug reports.
    """
    from ganctl.diagnostics.doctor import examine

    def begin(title: str) -> None:
        if can_redraw(sys.stderr):
            print(f"{ERASE}Checking {title} …", end="", file=sys.stderr, flush=True)
        elif sys.stderr.isatty():
            print(f"Checking {title} …", file=sys.stderr)

    def end(title: str, facts: dict[str, Any]) -> None:
        if can_redraw(sys.stderr):
            print(ERASE, end="", file=sys.stderr, flush=True)
        if not as_json:
            _print_section(title, facts)

    examination = examine(data_root, begin=begin, end=end)
    if as_json:
        problems = [vars(problem) for problem in examination.problems]
        print_json({**examination.facts, "problems": problems, "can_train": examination.can_train})
    else:
        for problem in examination.problems:
            _print_lines("PROBLEM  " if problem.essential else "warning  ", problem.text)
            if problem.hint:
                _print_lines("         ", problem.hint)
        if examination.problems:
            print()
        print(
            "Training can start."
            if examination.can_train
            else "Training cannot start until the problems are fixed."
        )
    if not examination.can_train:
        raise click.exceptions.Exit(FAILED)


def _print_section(title: str, facts: dict[str, Any]) -> None:
    print(title)
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
        _print_lines(f"  {name:{width}}  ", text)
    print(flush=True)  # flush, because the next section, such as importing torch, may take seconds


def _print_lines(start: str, text: str) -> None:
    for number, line in enumerate(fold(text, terminal_width() - len(start))):
        print((start if number == 0 else " " * len(start)) + line)
