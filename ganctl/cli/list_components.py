"""``ganctl list``: list the components of one kind or of all kinds."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from ganctl.cli.shared_options import json_option
from ganctl.cli.terminal_output import print_json, print_table
from ganctl.errors import USAGE, GanctlError, did_you_mean
from ganctl.plugin import discovery
from ganctl.plugin.registry import KINDS, Component, Registry

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

EXAMPLES = """
\b
Examples:
  ganctl list
  ganctl list models
  ganctl list losses --json
"""


class KindName(click.ParamType):
    """A kind of component, in the singular or plural. The parsed value is the singular."""

    name = "kind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        for kind, plural in KINDS.items():
            if str(value).lower() in (kind, plural):
                return kind
        hint = f"{did_you_mean(str(value), KINDS.values())} See: ganctl list"
        raise GanctlError(f"There is no kind of component '{value}'.", hint, status=USAGE)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(plural) for plural in KINDS.values() if plural.startswith(incomplete)]


@click.command("list", epilog=EXAMPLES)
@click.argument("kind", required=False, metavar="[KIND]", type=KindName())
@json_option
def list_components(kind: str | None, as_json: bool) -> None:
    """List models, losses, datasets and other components.

    With KIND, such as models or losses, list each component with its summary and the package that registers it. Without
    KIND, list only the names of the components of all kinds.
    """
    registry = discovery.registry()
    if as_json:
        from ganctl.diagnostics.component_info import registration

        kinds = [kind] if kind else list(KINDS)
        print_json([registration(item) for each in kinds for item in registry.all(each)])
    elif kind is None:
        _print_all_kinds(registry)
    elif items := registry.all(kind):
        _print_kind(kind, items)
    else:
        print(f"There are no {KINDS[kind]}: no installed plugin registers any. See: ganctl plugins")


def _print_all_kinds(registry: Registry) -> None:
    rows = [[plural, ", ".join(_distinct_names(registry.all(kind)))] for kind, plural in KINDS.items()]
    print_table(["KIND", "NAMES"], rows, wrap=[1])
    print("\nSummaries of one kind:  ganctl list KIND\nOne component:          ganctl info NAME")


def _print_kind(kind: str, items: list[Component]) -> None:
    header, rows = ["NAME", "SUMMARY", "FROM"], []
    for name, item in zip(_distinct_names(items), items, strict=True):
        row = [name, item.summary, item.origin]
        if kind == "model":
            row.insert(1, _networks_and_loss(item.target))
        rows.append(row)
    if kind == "model":
        header.insert(1, "NETWORKS, LOSS")
    print_table(header, rows, wrap=[header.index("SUMMARY"), *([1] if kind == "model" else [])])


def _distinct_names(items: list[Component]) -> list[str]:
    """Return the name of each component, as ``distribution:name`` if several packages register the same name."""
    counts = Counter(item.name for item in items)
    return [item.name if counts[item.name] == 1 else f"{item.distribution}:{item.name}" for item in items]


def _networks_and_loss(model: Any) -> str:
    networks = dict.fromkeys([model.generator.name, model.discriminator.name])  # G and D often share a name
    return f"{' / '.join(networks)}, {model.loss.name}"
