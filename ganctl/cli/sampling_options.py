"""What the commands that draw from a checkpoint share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganctl.cli.shared_options import plugin_option

if TYPE_CHECKING:
    from ganctl.sampling.latent_files import Latents
    from ganctl.sampling.sampler import Sampler

ckpt_option = click.option(
    "--ckpt",
    required=True,
    metavar="CKPT|RUN",
    type=click.Path(path_type=Path),
    help="A checkpoint file, or a run folder for its newest one.",
)
class_option = click.option(
    "--class", "class_name", metavar="NAME|all", help="Of a conditional model: this class, or a row for each."
)
latents_option = click.option(
    "--latents",
    "latents_file",
    metavar="FILE.npz",
    type=click.Path(path_type=Path),
    help="Take the latents in this file, as --save-latents writes it, in place of those of a seed.",
)
truncation_option = click.option(
    "--truncation",
    metavar="X",
    type=float,
    help="Draw z from a normal distribution cut off at ±X: fewer odd pictures, less variety.",
)
batch_size_option = click.option(
    "--batch-size", default=64, show_default=True, type=click.IntRange(min=1), help="Pictures drawn at once."
)
no_labels_option = click.option(
    "--no-labels", is_flag=True, help="No names and values beside the pictures of a PNG."
)
scale_option = click.option(
    "--scale",
    metavar="N",
    type=click.IntRange(1, 64),
    help="Make each pixel N wide and high.  [default: until labels can be read]",
)


def seed_type() -> click.IntRange:
    return click.IntRange(0, 2**32 - 1)


def machine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--plugin``, ``--device`` and ``--quiet``."""
    quiet = click.option("-q", "--quiet", is_flag=True, help="No progress, only errors.")
    device = click.option(
        "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps."
    )
    return plugin_option(device(quiet(command)))


class Numbers(click.ParamType):
    """Numbers with commas between, as a tuple."""

    name = "numbers"

    def __init__(self, one: click.ParamType) -> None:
        self.one = one

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        return tuple(self.one.convert(part.strip(), param, ctx) for part in str(value).split(","))


def classes_of(sampler: Sampler, name: str | None) -> list[int] | None:
    """The numbers of the class called ``name``, or of all classes for ``"all"``."""
    if name is None:
        return None
    names = [str(i) for i in range(sampler.num_classes)] if name == "all" else [name]
    return [sampler.class_number(name) for name in names or ["0"]]


def latents_from(sampler: Sampler, file: Path | None) -> Latents | None:
    from ganctl.sampling import latent_files

    if file is None:
        return None
    classes = sampler.num_classes if sampler.conditional else 0
    return latent_files.read(file, dim=sampler.latent.dim, num_classes=classes)


def refuse_both(context: click.Context, *names: str) -> None:
    """Raise a GanctlError if more than one of these options was given on the command line."""
    from click.core import ParameterSource

    from ganctl.errors import USAGE, GanctlError

    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in names
        and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    ]
    if len(given) > 1:
        raise GanctlError(f"Both {given[0]} and {given[1]} were given.", "Give one of them.", status=USAGE)
