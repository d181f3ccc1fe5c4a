"""``ganctl traverse``."""

from __future__ import annotations

from pathlib import Path

import click

from ganctl.cli.sampling_options import (
    Numbers,
    batch_size_option,
    ckpt_option,
    class_option,
    classes_of,
    latents_from,
    latents_option,
    machine_options,
    no_labels_option,
    refuse_both,
    scale_option,
    seed_type,
    truncation_option,
)

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
    help="A row each: dimensions counted from 1, an InfoGAN's codes by name, or the N (8) that change the picture "
    "most.",
)
@click.option(
    "--values",
    metavar="-3,0,3",
    type=Numbers(click.FLOAT),
    help="A column each.  [default: 7 from -3 to 3, or from -1 to 1 where z is drawn from there]",
)
@click.option(
    "--seed", default=0, show_default=True, type=seed_type(), help="The latent is this seed's first."
)
@latents_option
@class_option
@click.option("--code", metavar="NAME=VALUE", help="Of an InfoGAN: set this code first, as c=3.")
@truncation_option
@click.option(
    "--out",
    metavar="FILE.png|DIR|FILE.npz",
    type=click.Path(path_type=Path),
    help="One picture, a folder of PNG files, or arrays.  [default: a picture named after checkpoint and seed]",
)
@no_labels_option
@scale_option
@batch_size_option
@machine_options
@click.pass_context
def traverse(
    context: click.Context,
    ckpt: Path,
    dims: str,
    values: tuple[float, ...] | None,
    seed: int,
    latents_file: Path | None,
    class_name: str | None,
    code: str | None,
    truncation: float | None,
    out: Path | None,
    no_labels: bool,
    scale: int | None,
    batch_size: int,
    plugin_paths: tuple[Path, ...],
    device: str,
    quiet: bool,
) -> None:
    """Turn one dimension of z at a time: a row a dimension.

    All pictures have the same latent but for that dimension, which takes each value in turn.
    """  # fmt: skip
    refuse_both(context, "seed", "latents_file")
    refuse_both(context, "truncation", "latents_file")
    from ganctl.runs.checkpoint import find_checkpoint
    from ganctl.sampling import latent_walks, walk_writers
    from ganctl.sampling.sampler import load
    from ganctl.system.progress import make_reporter

    stem = find_checkpoint(ckpt).stem
    out = out or Path(f"{stem}-traverse-{f'seed{seed}' if latents_file is None else latents_file.stem}.png")
    walk_writers.check(out, animations=False)
    sampler = load(ckpt, device=device, plugins=plugin_paths)
    given = latents_from(sampler, latents_file)
    classes = classes_of(sampler, class_name)
    if classes is None and given is not None and given.y is not None:
        classes = [int(given.y[0])]
    reporter = make_reporter(quiet=quiet)
    if latent_walks.is_auto(dims):
        with reporter.bar("looking for dimensions", len(latent_walks.dimensions(sampler.latent))) as advance:
            found = latent_walks.chosen(
                sampler, dims, seed=seed, classes=classes, batch_size=batch_size, advance=advance
            )
    else:
        found = latent_walks.chosen(sampler, dims, seed=seed)
    with reporter.bar("drawing rows", len(found) * len(classes or [0])) as advance:
        walk = latent_walks.traverse(
            sampler,
            [dimension.name for dimension in found],
            values,
            seed=seed,
            z=None if given is None else given.z,
            classes=classes,
            code=code,
            truncation=truncation,
            batch_size=batch_size,
            advance=advance,
        )
    walk_writers.write(walk, out, labels=not no_labels, scale=scale)
    reporter.say(f"{len(walk.rows)} row{'s' if len(walk.rows) > 1 else ''} in {out}")
