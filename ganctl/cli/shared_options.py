"""Options that several commands share, and shell completion of component names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ganctl.cli.path_type import PathType
from ganctl.plugin import discovery
from ganctl.plugin.registry import KINDS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class ComponentName(click.ParamType):
    """Text that the shell completes to the name of a component. The command checks the name."""

    name = "name"

    def __init__(self, kind: str | None) -> None:
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("The name is empty.", param, ctx)
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        # load() would print warnings while the user is typing.
        registry = discovery.discover().registry
        kinds = [self.kind] if self.kind else list(KINDS)
        summaries = {item.name: item.summary for kind in kinds for item in registry.all(kind)}
        items = [
            CompletionItem(name, help=summaries[name])
            for name in sorted(summaries)
            if name.startswith(incomplete)
        ]
        if self.kind == "dataset" and not items:  # a folder or zip file of the user's images
            return [CompletionItem(incomplete, type="file")]
        return items


def component(kind: str | None = None) -> ComponentName:
    """Return the ``type`` for a parameter that is the name of a component of ``kind``, or of any kind."""
    return ComponentName(kind)


#: ``--plugin FILE``, repeatable.
plugin_option = click.option(
    "--plugin",
    "plugin_paths",
    metavar="FILE",
    type=PathType(),
    multiple=True,
    help="Python file with hooks, such as ./my_loss.py, to load for this command only. Repeatable.",
)


def json_option(command: Any) -> Any:
    """Add ``--json`` to ``command``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")(command)


def quiet_option(command: Any) -> Any:
    """Add ``--quiet`` to ``command``."""
    return click.option("-q", "--quiet", is_flag=True, help="Print only errors.")(command)


def options(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Combine several options into one decorator, preserving their order."""

    def decorate(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


model_and_data = options(
    click.option(
        "--model", metavar="NAME", type=component("model"), help="Model to train. See: ganctl list models"
    ),
    click.option(
        "--data",
        metavar="NAME|PATH",
        type=component("dataset"),
        help="Dataset, or a folder or zip file of your images. See: ganctl list datasets",
    ),
)
