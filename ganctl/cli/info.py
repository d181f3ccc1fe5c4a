"""``ganctl info NAME``: describe a component."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ganctl.cli.number_types import Number, number_option
from ganctl.cli.shared_options import component, json_option, plugin_option
from ganctl.cli.terminal_output import fold, print_json, terminal_width
from ganctl.config.ranges import RANGES, Range
from ganctl.errors import FAILED, USAGE, GanctlError, did_you_mean
from ganctl.plugin.registry import KINDS, Component, Registry
from ganctl.recipe import ImageShape
from ganctl.system.pasteable_commands import ganctl_pattern


@click.command()
@click.argument("name", metavar="NAME", type=component())
@click.option("--kind", type=click.Choice(list(KINDS)), help="Show only the component of this kind.")
@number_option(
    "--image-size",
    type=Number(RANGES["image_size"]),
    help="Image size for which parameters are counted.  [default: the model's size, or 28]",
)
@number_option(
    "--channels",
    type=Number(Range(1, 1024)),
    default=1,
    show_default=True,
    help="Number of image channels for which parameters are counted.",
)
@plugin_option
@json_option
def info(
    name: str,
    kind: str | None,
    image_size: int | None,
    channels: int,
    plugin_paths: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Show the paper, defaults, options and number of parameters of NAME.

    If several components of different kinds are called NAME, all of them are shown.
    """
    from ganctl.diagnostics.component_info import describe
    from ganctl.plugin import single_file

    registry = single_file.registry_with(plugin_paths)
    facts = [
        describe(registry, item, image_size=image_size, channels=channels)
        for item in _find(registry, name, kind)
    ]
    if as_json:
        print_json(facts)
    else:
        for number, fact in enumerate(facts):
            if number:
                print()
            _print(fact)
    if any(fact.get("error") for fact in facts):
        raise click.exceptions.Exit(FAILED)


def _find(registry: Registry, name: str, kind: str | None) -> list[Component]:
    kinds = [kind] if kind else list(KINDS)
    found = [item for each in kinds for item in registry.find(each, name)]
    if not found:
        names = {known for each in kinds for known in registry.names(each)}
        problem = f"There is no {kind} '{name}'." if kind else f"There is no component '{name}'."
        raise GanctlError(problem, did_you_mean(name, names), status=USAGE)
    return found


def _print(facts: dict[str, Any]) -> None:
    article = "an" if facts["kind"][0] in "aeiou" else "a"
    print(f"{facts['name']}: {article} {facts['kind']} of {facts['distribution']} {facts['version']}")
    _print_paragraph(facts["summary"])
    for paragraph in facts.get("description", "").split("\n\n"):
        if paragraph:
            print()
            _print_paragraph(paragraph)
    print()
    if facts.get("paper"):
        _print_paragraph(f"Paper: {facts['paper']}")
    imported = f", imported from {facts['address']}" if facts["address"] else ""
    _print_paragraph(f"Plugin: {facts['plugin']}{imported}")
    _print_paragraph(f"Use: {_usage(facts)}")
    if facts.get("error"):
        print()
        _print_paragraph(f"BROKEN: {facts['error']}")
    if facts.get("parameters"):
        print(f"\n  Parameters at {ImageShape(*facts['image_shape'])}:")
        for network, count in facts["parameters"].items():
            _print_paragraph(
                f"{network}: {count:,}" if isinstance(count, int) else f"{network}: {count}", "    "
            )
    if facts.get("defaults"):
        print("\n  Defaults, as options of ganctl train:")
        for line in facts["defaults"]:
            _print_paragraph(line, "    ")
    if facts.get("options"):
        print("\n  Options:")
        for option in facts["options"]:
            _print_option(option)
    if facts.get("sampling_options"):
        print("\n  Options for sampling:")
        for option in facts["sampling_options"]:
            _print_option(option)


def _print_option(option: dict[str, Any]) -> None:
    required = option["default"] is None
    value = "…" if required else option["default"]
    print(f"    -o {option['option']}={value}  ({option['type']}{'; required' * required})")
    if option["help"]:
        _print_paragraph(option["help"], " " * 8)


def _usage(facts: dict[str, Any]) -> str:
    name = facts["name"]
    if facts["kind"] == "model":
        return ganctl_pattern("train", "--model", name, "--data", "DATASET")
    if facts["kind"] == "dataset":
        return ganctl_pattern("train", "--model", "MODEL", "--data", name)
    return ganctl_pattern("train", "--model", "MODEL", "--data", "DATASET", f"--{facts['part']}", name)


def _print_paragraph(text: str, indent: str = "  ") -> None:
    for line in fold(text, terminal_width() - len(indent)):
        print(indent + line)
