"""Help pages whose options stand in sections, so that a long list can be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click


def sectioned(sections: Mapping[str, Callable[[Any], Any]]) -> type[click.Command]:
    """A command class for options that come as one decorator a section, named as ``sections`` has them."""
    titles: dict[str, str] = {}
    for title, decorate in sections.items():
        probe = decorate(lambda: None)
        titles.update((option.name, title) for option in probe.__click_params__)

    class Sectioned(click.Command):
        def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
            rows: dict[str, list[tuple[str, str]]] = {}
            for parameter in self.get_params(ctx):
                record = parameter.get_help_record(ctx)
                if record is not None:
                    rows.setdefault(titles.get(parameter.name or "", "Other"), []).append(record)
            for title, records in rows.items():
                with formatter.section(title):
                    formatter.write_dl(records, col_max=28)

    return Sectioned
