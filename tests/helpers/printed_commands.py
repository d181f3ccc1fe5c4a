"""Find the ganctl commands in messages, and parse each command without running it."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Iterator

import click
import pytest

from ganctl.cli import cli
from ganctl.errors import GanctlError
from ganctl.system import pasteable_commands

#: A command at the start of a line, or after ": ", up to the end of the line.
AT_END_OF_LINE = re.compile(r"(?:^|:)[ \t]*(?:\w+=\S+ )*(ganctl(?: +(?:-|[a-z]).*)?)$", re.MULTILINE)
#: A word in capital letters, which the user replaces.
PLACEHOLDER = re.compile(r"(?<![\w./-])[A-Z]{2,}\b")
#: All distinct commands checked in this process.
SEEN: set[str] = set()


def commands_in(text: str) -> Iterator[str]:
    """Yield the commands in ``text`` that a user would paste."""
    for line in text.splitlines():
        if not line.startswith("Usage: "):
            yield from AT_END_OF_LINE.findall(line)


def check_command(command: str) -> None:
    """Parse ``command`` like ganctl, and record the command in ``SEEN``.

    The values of a command with placeholders, such as ``ganctl info NAME``, are not converted.

    Raises:
        AssertionError: ganctl would refuse the command.
    """
    ansi_c = re.search(r"\$'(?:[^'\\]|\\.)*'", command)  # shlex does not support this form of quoting
    words = shlex.split(command.replace(ansi_c[0], "'x'") if ansi_c else command)
    try:
        _parse(words[1:], convert=not any(map(PLACEHOLDER.search, words)))
    except (click.ClickException, GanctlError) as error:
        message = error.format_message() if isinstance(error, click.ClickException) else error.message
        raise AssertionError(f"a message shows `{command}`, which ganctl refuses: {message}") from error
    SEEN.add(command)


def _parse(words: list[str], *, convert: bool) -> None:
    command: click.Command = cli
    context = click.Context(cli, info_name="ganctl", **cli.context_settings)
    while True:
        values, words, _ = command.make_parser(context).parse_args(list(words))
        parameters = command.get_params(context)
        if any(p.name in values and {"--help", "--version"} & {*p.opts} for p in parameters):
            return  # these options need no other arguments
        for parameter in parameters:
            value = values.get(parameter.name or "")
            if parameter.required and value in (None, ()):
                raise click.MissingParameter(ctx=context, param=parameter)
            if convert and parameter.callback is None and value is not None:
                parameter.process_value(context, value)
        if not words:
            return
        if not isinstance(command, click.Group):
            raise click.UsageError(f"unexpected argument {words[0]!r}", context)
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        command, context = (
            found,
            click.Context(found, parent=context, info_name=name, **found.context_settings),
        )


def watch_commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Check every command that ganctl builds or puts in a GanctlError. Return a list of refused commands."""
    refused: list[str] = []
    join, init = pasteable_commands._join, GanctlError.__init__

    def check(command: str) -> None:
        try:
            check_command(command)
        except AssertionError as error:
            refused.append(str(error))

    @functools.wraps(join)
    def checked_join(words: list[str]) -> str:
        command = join(words)
        check(command)
        return command

    @functools.wraps(init)
    def checked_init(self: GanctlError, message: str, hint: str = "", *, status: int = 1) -> None:
        init(self, message, hint, status=status)
        for command in [*commands_in(message), *commands_in(hint)]:
            check(command)

    monkeypatch.setattr(pasteable_commands, "_join", checked_join)
    monkeypatch.setattr(GanctlError, "__init__", checked_init)
    return refused
