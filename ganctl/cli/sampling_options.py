"""Options shared by the commands that sample from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganctl.cli.number_types import SCALE, Number, Numbers, number_option
from ganctl.cli.path_type import PathType
from ganctl.cli.shared_options import plugin_option, quiet_option
from ganctl.cli.value_completion import RunPath
from ganctl.config.ranges import RANGES, Range

if TYPE_CHECKING:
    from ganctl.sampling.latent_files import Latents
    from ganctl.sampling.sampler import Sampler

#: Options that do not change the samples but only how they are computed or shown.
NOT_INPUTS = {"batch_size", "device", "force", "fps", "no_labels", "nrow", "out", "quiet", "scale"}

ckpt_option = click.option(
    "--ckpt",
    required=True,
    metavar="CKPT|RUN",
    type=RunPath(),
    help="Checkpoint file, or a run folder to use its newest checkpoint.",
)
class_option = click.option(
    "--class",
    "class_name",
    metavar="NAME|all",
    help="Class to sample from a conditional model, as a name or number. 'all' generates one row per class.",
)
latents_option = click.option(
    "--latents",
    "latents_file",
    metavar="FILE.npz",
    type=PathType(),
    help="Use the latents in this file, written by --save-latents, instead of random latents.",
)
#: Range of the numbers of a condition on the command line.
CONDITION = Range(-1e9, 1e9, whole=False)


def condition_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--conditions`` and ``--c`` to ``command``."""
    from_file = click.option(
        "--conditions",
        "conditions_file",
        metavar="FILE.npy|.npz",
        type=PathType(),
        help="Conditions c for a model that uses them, one per row.  [default: the checkpoint's conditions]",
    )
    numbers = number_option(
        "--c",
        "condition",
        metavar="X,Y,…",
        type=Numbers(CONDITION),
        help="One condition for all samples, if it is a short vector. Write negative numbers like this: --c=-1,0.5.",
    )
    return from_file(numbers(command))


truncation_option = number_option(
    "--truncation",
    metavar="X",
    type=Number(Range(0.001, 1000, whole=False)),
    help="Truncate the normal distribution of z at ±X. A small X reduces artifacts and variety.",
)
generator_option = click.option(
    "-o",
    "--option",
    "generator_options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Option of the generator, such as psi=0.7. 'ganctl info GENERATOR' lists the options. Repeatable.",
)
batch_size_option = number_option(
    "--batch-size",
    default=64,
    show_default=True,
    type=Number(RANGES["batch_size"]),
    help="Number of samples generated at a time.",
)
no_labels_option = click.option("--no-labels", is_flag=True, help="Omit names and values from PNG files.")
scale_option = number_option(
    "--scale",
    metavar="N",
    type=Number(SCALE),
    help="Width and height of each pixel.  [default: large enough for legible labels]",
)


force_option = click.option(
    "--force", is_flag=True, help="Replace --out even if it was not created from the same inputs."
)


def refuse_scale_of_arrays(scale: int | None, out: Path | None) -> None:
    """Raise a GanctlError if ``--scale`` is given for a NumPy archive, which stores samples at their original size."""
    from ganctl.errors import USAGE, GanctlError

    if scale is not None and out is not None and out.suffix == ".npz":
        raise GanctlError("--scale requires images.", "Give --out FILE.png, or omit --scale.", status=USAGE)


def machine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--plugin``, ``--device`` and ``--quiet`` to ``command``."""
    device = click.option(
        "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps."
    )
    return plugin_option(device(quiet_option(command)))


def with_generator_options(sampler: Sampler, texts: tuple[str, ...]) -> Sampler:
    """Return ``sampler`` with the generator's options set as in ``texts``, which have the form ``NAME=VALUE``."""
    from ganctl.errors import USAGE, GanctlError

    given = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (equals and name):
            raise GanctlError(
                f"-o {text} is not of the form NAME=VALUE.",
                "Write the option like this: -o psi=0.7",
                status=USAGE,
            )
        given[name.strip().removeprefix("generator.").replace("-", "_")] = value
    return sampler.with_options(**given)


def classes_of(sampler: Sampler, name: str | None) -> list[int] | None:
    """Return the numbers of the classes that ``--class`` selects, or None without ``--class``."""
    if name is None:
        return None
    names = [str(i) for i in range(sampler.num_classes)] if name == "all" else [name]
    return [sampler.class_number(name) for name in names or ["0"]]


def latents_from(sampler: Sampler, file: Path | None) -> Latents | None:
    """Return the latents in ``file``, checked against the model, or None without a file."""
    from ganctl.sampling import latent_files

    if file is None:
        return None
    classes = sampler.num_classes if sampler.conditional else 0
    return latent_files.read(file, dim=sampler.latent.dim, num_classes=classes)


def apply_conditions(
    context: click.Context, sampler: Sampler, file: Path | None, numbers: tuple[float, ...] | None
) -> int | None:
    """Make ``sampler`` use the conditions of ``--conditions`` or ``--c``.

    Returns:
        The number of conditions in the file, or None if there is no file.
    """
    refuse_both(context, "conditions_file", "condition")
    if file is None and numbers is None:
        return None
    import torch

    from ganctl.sampling import conditions

    if file is not None:
        sampler.use_conditions(conditions.read(file))
        return None if sampler.conditions is None else len(sampler.conditions)
    c = torch.tensor(numbers, dtype=torch.float64)
    sampler.use_conditions(c[0] if sampler.condition == [] and len(c) == 1 else c)
    return None


def recorded_inputs(context: click.Context, checkpoint: Path, **resolved: object) -> str:
    """Return the record of a command's inputs: the options that determine the samples, and the content of files.

    Args:
        resolved: values of options whose defaults depend on other values.
    """
    from ganctl.system import output_files

    given = {name: value for name, value in context.params.items() if name not in NOT_INPUTS}
    plugins = given.pop("plugin_paths")
    files = [file for name in ("latents_file", "conditions_file") if (file := given.pop(name)) is not None]
    if given["condition"] is None:
        del given["condition"]  # the record of a model without conditions has no condition
    options = {name: value for name, value in given.items() if not isinstance(value, Path)}
    sources = [checkpoint, *plugins, *files]
    return output_files.record(str(context.command.name), {**options, **resolved}, sources)


def refuse_both(context: click.Context, *names: str) -> None:
    """Raise a GanctlError if more than one of these options is on the command line."""
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
