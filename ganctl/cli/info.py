"""``ganctl info NAME``: all about one component."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ganctl.cli.list_components import as_dict
from ganctl.cli.shared_options import component, json_option, plugin_option
from ganctl.cli.terminal_output import fold, print_json, terminal_width
from ganctl.errors import FAILED, USAGE, GanctlError, did_you_mean
from ganctl.plugin.registry import KINDS, Component, Registry
from ganctl.recipe import ImageShape, Model

IMAGE_SIZE = 28


@click.command()
@click.argument("name", metavar="NAME", type=component())
@click.option("--kind", type=click.Choice(list(KINDS)), help="Only the component of this kind.")
@click.option(
    "--image-size",
    type=click.IntRange(min=1),
    help="Count parameters for images of this size.  [default: the model's, or 28]",
)
@click.option(
    "--channels",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Count parameters for images of so many channels.",
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
    """Tell all about NAME: paper, defaults, options, parameters.

    One name may be a model, a generator and a discriminator; all of them are shown.
    """
    from ganctl.plugin import single_file

    registry = single_file.registry_with(plugin_paths)
    facts = [_facts(registry, item, image_size, channels) for item in _find(registry, name, kind)]
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
        what = f"There is no {kind} '{name}'." if kind else f"No component is called '{name}'."
        raise GanctlError(what, did_you_mean(name, names), status=USAGE)
    return found


def _facts(registry: Registry, item: Component, image_size: int | None, channels: int) -> dict[str, Any]:
    from ganctl.diagnostics import component_info
    from ganctl.plugin.options import MISSING

    facts: dict[str, Any] = as_dict(item)
    size = image_size
    if isinstance(item.target, Model):
        facts |= {"paper": item.target.paper, "defaults": component_info.model_defaults(item.target)}
        size = size or item.target.image_size
    else:
        facts["part"] = component_info.PARTS[item.kind]
        try:
            facts["description"] = component_info.description(item.load())
            facts["options"] = [
                {
                    "option": f"{component_info.PARTS[item.kind]}.{option.name}",
                    "type": option.type_name,
                    "default": None if option.default is MISSING else component_info.as_text(option.default),
                    "help": option.help,
                }
                for option in component_info.component_options(item)
            ]
        except GanctlError as error:
            facts["error"] = str(error)
            return facts
    shape = ImageShape(channels, size or IMAGE_SIZE, size or IMAGE_SIZE)
    counts = component_info.parameters(registry, item, shape)
    if counts:
        facts["image_shape"] = list(shape)
        facts["parameters"] = {
            network: str(count) if isinstance(count, GanctlError) else count
            for network, count in counts.items()
        }
    return facts


def _print(facts: dict[str, Any]) -> None:
    a = "an" if facts["kind"][0] in "aeiou" else "a"
    print(f"{facts['name']}: {a} {facts['kind']} of {facts['distribution']} {facts['version']}")
    _paragraph(facts["summary"])
    for paragraph in facts.get("description", "").split("\n\n"):
        if paragraph:
            print()
            _paragraph(paragraph)
    print()
    if facts.get("paper"):
        _paragraph(f"Paper: {facts['paper']}")
    _paragraph(
        f"Plugin: {facts['plugin']}" + (f", imported from {facts['address']}" if facts["address"] else "")
    )
    _paragraph(f"Use: {_usage(facts)}")
    if facts.get("error"):
        print()
        _paragraph(f"BROKEN: {facts['error']}")
    if facts.get("parameters"):
        print()
        print(f"  Parameters at {ImageShape(*facts['image_shape'])}:")
        for network, count in facts["parameters"].items():
            _paragraph(f"{network}: {count:,}" if isinstance(count, int) else f"{network}: {count}", "    ")
    if facts.get("defaults"):
        print()
        print("  Defaults, as options of ganctl train:")
        for line in facts["defaults"]:
            _paragraph(line, "    ")
    if facts.get("options"):
        print()
        print("  Options:")
        for option in facts["options"]:
            required = option["default"] is None
            value = "…" if required else option["default"]
            print(f"    -o {option['option']}={value}  ({option['type']}{'; must be given' * required})")
            if option["help"]:
                _paragraph(option["help"], " " * 8)


def _usage(facts: dict[str, Any]) -> str:
    name = facts["name"]
    if facts["kind"] == "model":
        return f"ganctl train --model {name} --data DATASET"
    if facts["kind"] == "dataset":
        return f"ganctl train --model MODEL --data {name}"
    return f"ganctl train --model MODEL --data DATASET --{facts['part']} {name}"


def _paragraph(text: str, indent: str = "  ") -> None:
    for line in fold(text, terminal_width() - len(indent)):
        print(indent + line)
