"""``ganctl interpolate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ganctl.cli.number_types import FPS, SAMPLES, SEED, Number, Numbers, number_option
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

EXAMPLES = """
\b
Examples:
  ganctl interpolate --ckpt x.pt --seeds 1,2
  ganctl interpolate --ckpt x.pt --seeds 1,2,3,4 --rows 16 --loop --out film.gif
  ganctl interpolate --ckpt x.pt --latents mine.npz --steps 60 --out film.mp4
  ganctl interpolate --ckpt cgan.pt --class all --out classes.png
"""
STEPS, ANIMATION_STEPS = 8, 30


@click.command(epilog=EXAMPLES)
@ckpt_option
@number_option(
    "--seeds",
    default="0,1",
    show_default=True,
    metavar="A,B,…",
    type=Numbers(SEED),
    help="Seeds of the points on the path. Each point is the first latent of its seed.",
)
@latents_option
@number_option(
    "--steps",
    metavar="N",
    type=Number(SAMPLES),
    help=f"Number of samples from one point to the next.  [default: {STEPS}, or {ANIMATION_STEPS} in an animation]",
)
@click.option(
    "--method",
    type=click.Choice(["slerp", "lerp"]),
    help="Great circle (slerp) or straight line (lerp).  [default: slerp if z is normal, otherwise lerp]",
)
@click.option("--loop", is_flag=True, help="Continue from the last point to the first.")
@number_option(
    "--rows",
    default=1,
    show_default=True,
    type=Number(SAMPLES),
    help="Number of paths. The second path uses the second latent of each seed, and so on.",
)
@class_option
@condition_options
@truncation_option
@click.option(
    "--out",
    metavar="FILE.png|.gif|.mp4|DIR|FILE.npz",
    type=PathType(),
    help="Output: an image, an animation, a folder of PNG files, or arrays.  [default: an image named after run, "
    "checkpoint, seeds and number]",
)
@force_option
@number_option(
    "--fps",
    default=20.0,
    show_default=True,
    metavar="N",
    type=Number(FPS),
    help="Frames per second of an animation.",
)
@no_labels_option
@scale_option
@batch_size_option
@generator_option
@machine_options
@click.pass_context
def interpolate(
    context: click.Context,
    ckpt: Path,
    seeds: tuple[int, ...],
    latents_file: Path | None,
    conditions_file: Path | None,
    condition: tuple[float, ...] | None,
    steps: int | None,
    rows: int,
    class_name: str | None,
    out: Path | None,
    force: bool,
    fps: float,
    no_labels: bool,
    scale: int | None,
    generator_options: tuple[str, ...],
    plugin_paths: tuple[Path, ...],
    device: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Interpolate between latents, as an image or an animation.

    A GIF needs no additional packages. For MP4: pip install 'ganctl[video]'
    """  # fmt: skip
    refuse_both(context, "seeds", "latents_file")
    refuse_both(context, "truncation", "latents_file")
    refuse_scale_of_arrays(scale, out)
    from ganctl.rendering import animation
    from ganctl.runs.checkpoint import find_checkpoint, output_name
    from ganctl.sampling import walk_writers
    from ganctl.sampling.sampler import load
    from ganctl.system import output_files
    from ganctl.system.progress import make_reporter

    source = "-".join(map(str, seeds)) if latents_file is None else latents_file.stem
    if out is not None:
        walk_writers.check_path(out, animations=True)
    animated = out is not None and out.suffix.lower() in animation.SUFFIXES
    if animated:
        animation.check_fps(fps)
    checkpoint = find_checkpoint(ckpt)
    sampler = with_generator_options(load(checkpoint, device=device, plugins=plugin_paths), generator_options)
    latents = latents_from(sampler, latents_file)
    apply_conditions(context, sampler, conditions_file, condition)
    classes = classes_of(sampler, class_name)
    made_from = recorded_inputs(context, checkpoint)
    if out is not None:
        output_files.check_replaceable(out, made_from, force=force)
    reporter = make_reporter(quiet=quiet)
    with reporter.bar("Generating rows", rows * len(classes or [0])) as advance:
        walk = sampler.interpolate(
            seeds,
            z=None if latents is None else latents.z,
            y=None if latents is None else latents.y,
            rows=rows,
            steps=steps or (ANIMATION_STEPS if animated else STEPS),
            classes=classes,
            advance=advance,
            **options,
        )
    if out is None:
        name = f"{output_name(checkpoint)}-interpolate-{source}-n{len(walk.x)}"
        out = output_files.default_file(Path(), name, ".png", made_from)
    walk_writers.write_walk(walk, out, labels=not no_labels, scale=scale, fps=fps, comment=made_from)
    count, paths = len(walk.rows[0].x), len(walk.rows)
    each = f"{paths} rows of " if paths > 1 else ""
    reporter.say(f"Wrote {each}{count} sample{'s' if count > 1 else ''} to {out}")
