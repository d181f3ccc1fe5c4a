"""``ganctl interpolate``."""

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
  ganctl interpolate --ckpt x.pt --seeds 1,2
  ganctl interpolate --ckpt x.pt --seeds 1,2,3,4 --rows 16 --loop --out film.gif
  ganctl interpolate --ckpt x.pt --latents mine.npz --steps 60 --out film.mp4
  ganctl interpolate --ckpt cgan.pt --class all --out classes.png
"""
STEPS, FILM_STEPS = 8, 30


@click.command(epilog=EXAMPLES)
@ckpt_option
@click.option(
    "--seeds",
    default="0,1",
    show_default=True,
    metavar="A,B,…",
    type=Numbers(seed_type()),
    help="The points of the path are the first latents of these.",
)
@latents_option
@click.option(
    "--steps",
    metavar="N",
    type=click.IntRange(min=1),
    help=f"Pictures from one point to the next.  [default: {STEPS}, in an animation {FILM_STEPS}]",
)
@click.option(
    "--method",
    type=click.Choice(["slerp", "lerp"]),
    help="On a great circle, or a straight line.  [default: slerp if z is normal]",
)
@click.option("--loop", is_flag=True, help="Go on from the last point to the first.")
@click.option(
    "--rows",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Paths: the second through the seeds' second latents, and so on.",
)
@class_option
@truncation_option
@click.option(
    "--out",
    metavar="FILE.png|.gif|.mp4|DIR|FILE.npz",
    type=click.Path(path_type=Path),
    help="A strip, an animation, a folder of PNG files, or arrays.  [default: a strip named after checkpoint and "
    "seeds]",
)
@click.option(
    "--fps",
    default=20.0,
    show_default=True,
    metavar="N",
    type=float,
    help="Pictures a second in an animation.",
)
@no_labels_option
@scale_option
@batch_size_option
@machine_options
@click.pass_context
def interpolate(
    context: click.Context,
    ckpt: Path,
    seeds: tuple[int, ...],
    latents_file: Path | None,
    steps: int | None,
    method: str | None,
    loop: bool,
    rows: int,
    class_name: str | None,
    truncation: float | None,
    out: Path | None,
    fps: float,
    no_labels: bool,
    scale: int | None,
    batch_size: int,
    plugin_paths: tuple[Path, ...],
    device: str,
    quiet: bool,
) -> None:
    """Go from one latent to the next: a strip of pictures, or an animation.

    A GIF needs nothing more; for MP4: pip install 'ganctl[video]'.
    """  # fmt: skip
    refuse_both(context, "seeds", "latents_file")
    refuse_both(context, "truncation", "latents_file")
    from ganctl.rendering import animation
    from ganctl.runs.checkpoint import find_checkpoint
    from ganctl.sampling import latent_walks, walk_writers
    from ganctl.sampling.sampler import load
    from ganctl.system.progress import make_reporter

    stem = find_checkpoint(ckpt).stem
    named = "-".join(map(str, seeds)) if latents_file is None else latents_file.stem
    out = out or Path(f"{stem}-interpolate-{named}.png")
    walk_writers.check(out, animations=True)
    film = out.suffix.lower() in animation.SUFFIXES
    if film:
        animation.check_fps(fps)
    sampler = load(ckpt, device=device, plugins=plugin_paths)
    given = latents_from(sampler, latents_file)
    classes = classes_of(sampler, class_name)
    reporter = make_reporter(quiet=quiet)
    with reporter.bar("drawing rows", rows * len(classes or [0])) as advance:
        walk = latent_walks.interpolate(
            sampler,
            seeds,
            z=None if given is None else given.z,
            y=None if given is None else given.y,
            rows=rows,
            steps=steps or (FILM_STEPS if film else STEPS),
            method=method,
            loop=loop,
            classes=classes,
            truncation=truncation,
            batch_size=batch_size,
            advance=advance,
        )
    walk_writers.write(walk, out, labels=not no_labels, scale=scale, fps=fps)
    count, paths = len(walk.rows[0].x), len(walk.rows)
    reporter.say(
        f"{f'{paths} rows of ' if paths > 1 else ''}{count} picture{'s' if count > 1 else ''} in {out}"
    )
