"""``ganctl models``, ``ganctl losses`` and the like: what there is, and where it comes from."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from ganctl.cli.output import print_json, print_table
from ganctl.cli.params import json_option
from ganctl.plugin import discovery
from ganctl.plugin.registry import KINDS, Component
from ganctl.recipe import Model


def _command(kind: str) -> click.Command:
    plural = KINDS[kind]

    @click.command(plural, help=f"List the {plural}, and where they come from.")
    @json_option
    def listing(as_json: bool) -> None:
        items = discovery.registry().all(kind)
        if as_json:
            print_json([as_dict(item) for item in items])
        elif not items:
            print(f"There are no {plural}: no installed plugin registers any. See: ganctl plugins")
        else:
            _print(kind, items)

    return listing


def as_dict(item: Component) -> dict[str, Any]:
    """What ``--json`` tells about a component."""
    known = {
        "name": item.name,
        "kind": item.kind,
        "summary": item.summary,
        "distribution": item.distribution,
        "version": item.version,
        "plugin": item.plugin,
        "address": item.target if isinstance(item.target, str) else None,
    }
    if isinstance(item.target, Model):
        known |= {part: getattr(item.target, part).name for part in ("generator", "discriminator", "loss")}
    return known


def _print(kind: str, items: list[Component]) -> None:
    times = Counter(item.name for item in items)
    header, rows = ["NAME", "SUMMARY", "FROM"], []
    for item in items:
        # Two of one name: each is shown as what chooses it.
        name = item.name if times[item.name] == 1 else f"{item.distribution}:{item.name}"
        row = [name, item.summary, item.origin]
        if kind == "model":
            row.insert(1, _made_of(item.target))
        rows.append(row)
    if kind == "model":
        header.insert(1, "NETWORKS, LOSS")
    print_table(header, rows, wrap=[header.index("SUMMARY"), *([1] if kind == "model" else [])])


def _made_of(model: Any) -> str:
    names = dict.fromkeys([model.generator.name, model.discriminator.name])  # mostly G and D share a name
    return f"{' / '.join(names)}, {model.loss.name}"


LISTINGS = tuple(_command(kind) for kind in KINDS)
