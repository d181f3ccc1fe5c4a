"""What several commands share about their parameters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganctl.plugin import discovery
from ganctl.plugin.registry import KINDS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class ComponentName(click.ParamType):
    """Text that the shell completes to a component's name. Whether there is such a component is for later."""

    name = "name"

    def __init__(self, kind: str | None) -> None:
        self.kind = kind

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        # Not plugins.load(): its warnings would end up in the line that is being typed.
        registry = discovery.discover().registry
        kinds = [self.kind] if self.kind else list(KINDS)
        found = {item.name: item.summary for kind in kinds for item in registry.all(kind)}
        items = [
            CompletionItem(name, help=found[name]) for name in sorted(found) if name.startswith(incomplete)
        ]
        if self.kind == "dataset" and not items:  # a folder or a zip of one's own pictures
            return [CompletionItem(incomplete, type="file")]
        return items


def component(kind: str | None = None) -> ComponentName:
    """The ``type=`` of a parameter that names a component of one kind, or of any."""
    return ComponentName(kind)


#: ``--plugin FILE``, as often as wanted.
plugin_option = click.option(
    "--plugin",
    "plugin_paths",
    metavar="FILE",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A Python file with hooks, loaded for this command alone, as ./my_loss.py.",
)


def json_option(command: Any) -> Any:
    """``--json``: for scripts."""
    return click.option("--json", "as_json", is_flag=True, help="Write JSON, for scripts.")(command)


def options(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several options as one decorator, in this order."""

    def decorate(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


model_and_data = options(
    click.option(
        "--model", metavar="NAME", type=component("model"), help="The recipe; see: ganctl list models."
    ),
    click.option(
        "--data",
        metavar="NAME|PATH",
        type=component("dataset"),
        help="A dataset (see: ganctl list datasets), or a folder or zip of your own pictures.",
    ),
)
