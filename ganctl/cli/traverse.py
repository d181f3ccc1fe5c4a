"""``ganctl traverse``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ganctl.cli.number_types import SEED, Number, Numbers, number_option
from ganctl.cli.path_type import PathType
from ganctl.cli.sampling_options import (
    apply_conditions,
    batch_size_option,
    ckpt_option,
    class_option,
    classes_of,
    condition_options,
    force_option,
    generator_option,
    latents_from,
    latents_option,
    machine_options,
    no_labels_option,
    recorded_inputs,
    refuse_both,
    refuse_scale_of_arrays,
    scale_option,
    truncation_option,
    with_generator_options,
)
from ganctl.config.ranges import Range

EXAMPLES = """
\b
Examples:
  ganctl traverse --ckpt x.pt --dims 5,25,45,65,85 --values=-3,0,3
  ganctl traverse --ckpt runs/00001-dcgan-mnist --dims auto:12 --seed 7
  ganctl traverse --ckpt infogan.pt --dims c,u0,u1
  ganctl traverse --ckpt cgan.pt --class all --dims 5 --out five.png
"""


@click.command(epilog=EXAMPLES)
@ckpt_option
@click.option(
    "--dims",
    default="auto",
    show_default=True,
    metavar="5,25,…|auto[:N]",
    help="Dimensions of z, one row each: numbers from 1, names of an InfoGAN's codes, or auto:N for the N (default 8) "
    "dimensions that change the samples most.",
)
@number_option(
    "--values",
    metavar="-3,0,3",
    type=Numbers(Range(-1000, 1000, whole=False)),
    help="Values of the dimension, one column each.  [default: 7 from -3 to 3, or from -1 to 1 if z is uniform]",
)
@number_option(
    "--seed",
    default=0,
    show_default=True,
    type=Number(SEED),
    help="Random seed. The traversal starts at the first latent of this seed.",
)
@latents_option
@class_option
@condition_options
@click.option("--code", metavar="NAME=VALUE", help="Code of an InfoGAN to set first, for example c=3.")
@truncation_option
@click.option(
    "--out",
    metavar="FILE.png|DIR|FILE.npz",
    type=PathType(),
    help="Output: an image, a folder of PNG files, or arrays.  [default: an image named after run, checkpoint, "
    "seed and number]",
)
@force_option
@no_labels_option
@scale_option
@batch_size_option
@generator_option
@machine_options
@click.pass_context
def traverse(
    context: click.Context,
    ckpt: Path,
    dims: str,
    latents_file: Path | None,
    conditions_file: Path | None,
    condition: tuple[float, ...] | None,
    class_name: str | None,
    out: Path | None,
    force: bool,
    no_labels: bool,
    scale: int | None,
    generator_options: tuple[str, ...],
    plugin_paths: tuple[Path, ...],
    device: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Vary one dimension of z at a time.

    Each row shows one dimension. All other dimensions of the latent keep their values.
    """  # fmt: skip
    refuse_both(context, "seed", "latents_file")
    refuse_both(context, "truncation", "latents_file")
    refuse_scale_of_arrays(scale, out)
    from ganctl.runs.checkpoint import find_checkpoint, output_name
    from ganctl.sampling import latent_dimensions, walk_writers
    from ganctl.sampling.sampler import load
    from ganctl.system import output_files
    from ganctl.system.progress import make_reporter

    source = f"seed{options['seed']}" if latents_file is None else latents_file.stem
    if out is not None:
        walk_writers.check_path(out, animations=False)
    checkpoint = find_checkpoint(ckpt)
    sampler = with_generator_options(load(checkpoint, device=device, plugins=plugin_paths), generator_options)
    latents = latents_from(sampler, latents_file)
    apply_conditions(context, sampler, conditions_file, condition)
    classes = classes_of(sampler, class_name)
    if classes is None and latents is not None and latents.y is not None:
        classes = [int(latents.y[0])]
    made_from = recorded_inputs(context, checkpoint)
    if out is not None:
        output_files.check_replaceable(out, made_from, force=force)
    reporter = make_reporter(quiet=quiet)
    ranking: dict[str, Any] = {"seed": options["seed"]}
    if latent_dimensions.is_auto(dims):
        count = len(latent_dimensions.dimensions(sampler.latent))
        ranking |= {"classes": classes, "batch_size": options["batch_size"]}
        with reporter.bar("Ranking dimensions", count) as advance:
            selected = latent_dimensions.select_dimensions(sampler, dims, **ranking, advance=advance)
    else:
        selected = latent_dimensions.select_dimensions(sampler, dims, **ranking)
    with reporter.bar("Generating rows", len(selected) * len(classes or [0])) as advance:
        walk = sampler.traverse(
            [dimension.name for dimension in selected],
            z=None if latents is None else latents.z,
            classes=classes,
            advance=advance,
            **options,
        )
    if out is None:
        name = f"{output_name(checkpoint)}-traverse-{source}-n{len(walk.x)}"
        out = output_files.default_file(Path(), name, ".png", made_from)
    walk_writers.write_walk(walk, out, labels=not no_labels, scale=scale, comment=made_from)
    reporter.say(f"Wrote {len(walk.rows)} row{'s' if len(walk.rows) > 1 else ''} to {out}")
