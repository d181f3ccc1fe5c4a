"""``ganctl doctor``: the state of this installation, for users and for bug reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ganctl.cli.shared_options import json_option
from ganctl.cli.terminal_output import fold, print_json, terminal_width
from ganctl.errors import FAILED


@click.command()
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    default=Path("data"),
    envvar="GANCTL_DATA_ROOT",
    show_default=True,
    show_envvar=True,
    help="Folder that datasets are read from and downloaded to.",
)
@json_option
def doctor(data_root: Path, as_json: bool) -> None:
    """Check this installation, for example for a bug report.

    The exit status is 0 if a training run can start.
    """
    from ganctl.diagnostics.doctor import examine

    examination = examine(data_root)
    if as_json:
        problems = [vars(problem) for problem in examination.problems]
        print_json({**examination.facts, "problems": problems, "can_train": examination.can_train})
    else:
        for title, facts in examination.facts.items():
            _print_section(title, facts)
        for problem in examination.problems:
            _print_lines("PROBLEM  " if problem.essential else "warning  ", problem.text)
            if problem.hint:
                _print_lines("         ", problem.hint)
        if examination.problems:
            print()
        print(
            "Training can start." if examination.can_train else "Training cannot start until this is fixed."
        )
    if not examination.can_train:
        raise click.exceptions.Exit(FAILED)


def _print_section(title: str, facts: dict[str, Any]) -> None:
    print(title)
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
        _print_lines(f"  {name:{width}}  ", text)
    print()


def _print_lines(start: str, text: str) -> None:
    for number, line in enumerate(fold(text, terminal_width() - len(start))):
        print((start if number == 0 else " " * len(start)) + line)
