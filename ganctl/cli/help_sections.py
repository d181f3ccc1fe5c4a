"""Commands whose ``--help`` shows options in titled sections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def command_with_sections(
    sections: dict[str, Callable[[Any], Any]], **attributes: Any
) -> Callable[[Callable[..., Any]], click.Command]:
    """Return a decorator like ``click.command(**attributes)`` that adds the options of each section.

    Args:
        sections: decorators that add options, by section title, in the order of ``--help``.
        attributes: keyword arguments of ``click.command``.
    """
    titles: dict[str, str] = {}

    class CommandWithSections(click.Command):
        def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
            rows: dict[str, list[tuple[str, str]]] = {}
            for parameter in self.get_params(ctx):
                record = parameter.get_help_record(ctx)
                if record is not None:
                    rows.setdefault(titles.get(parameter.name or "", "Other"), []).append(record)
            for title, records in rows.items():
                with formatter.section(title):
                    formatter.write_dl(records, col_max=28)

    def decorate(function: Any) -> click.Command:
        for title, add_options in reversed(sections.items()):
            number_before = len(getattr(function, "__click_params__", []))
            function = add_options(function)
            titles.update((option.name, title) for option in function.__click_params__[number_before:])
        return click.command(cls=CommandWithSections, **attributes)(function)

    return decorate
