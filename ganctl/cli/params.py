"""What several commands share about their parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from ganctl import plugins
from ganctl.registry import KINDS

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def component(kind: str | None = None) -> Complete:
    """A ``shell_complete=`` that offers the components of one kind, or of all."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        # Not plugins.load(): its warnings would end up in the line that is being typed.
        registry = plugins.discover().registry
        kinds = [kind] if kind else list(KINDS)
        found = {item.name: item.summary for each in kinds for item in registry.all(each)}
        items = [
            CompletionItem(name, help=found[name]) for name in sorted(found) if name.startswith(incomplete)
        ]
        if kind == "dataset" and not items:  # a folder or a zip of one's own pictures
            return [CompletionItem(incomplete, type="file")]
        return items

    return complete


def json_option(command: Any) -> Any:
    """``--json``: for scripts."""
    return click.option("--json", "as_json", is_flag=True, help="Write JSON, for scripts.")(command)
