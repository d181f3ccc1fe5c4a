"""``ganctl sample``: generate samples from a checkpoint."""

from __future__ import annotations

from pathlib import Path

import click

from ganctl.cli.number_types import SAMPLES, SCALE, SEED, Number, number_option
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
    recorded_inputs,
    refuse_both,
    refuse_scale_of_arrays,
    truncation_option,
    with_generator_options,
)

EXAMPLES = """
\b
Examples:
  ganctl sample --ckpt x.pt --n 25
  ganctl sample --ckpt runs/00001-dcgan-mnist --n 64 --seed 7 --scale 4 --out seven.png
  ganctl sample --ckpt cgan.pt --class all --n 8
  ganctl sample --ckpt infogan.pt --code c=all --n 8
  ganctl sample --ckpt x.pt --n 50000 --out samples/
  ganctl sample --ckpt x.pt --n 10000 --out samples.npz
  ganctl sample --ckpt x.pt --n 4 --save-latents four.npz
  ganctl sample --ckpt y.pt --latents four.npz
  ganctl sample --ckpt x.pt --conditions gray.npy
  ganctl sample --ckpt x.pt --c 0.1,0.5
"""


@click.command(epilog=EXAMPLES)
@ckpt_option
@number_option(
    "--n",
    metavar="N",
    type=Number(SAMPLES),
    help="Number of samples, or of samples per row with --class or --code.  "
    "[default: 25, or all of --latents or --conditions]",
)
@class_option
@condition_options
@click.option(
    "--code",
    metavar="NAME=VALUE",
    help="Code of an InfoGAN, such as c=3 or u0=0.5. c=all or u0=-1..1 generates one row per value.",
)
@number_option(
    "--seed",
    default=0,
    show_default=True,
    type=Number(SEED),
    help="Seed for the latents. The same seed generates the same samples. A larger N adds samples.",
)
@click.option(
    "--out",
    metavar="FILE.png|DIR|FILE.npz",
    type=PathType(),
    help="Output: a grid, a folder of PNG files, or a NumPy archive with an array 'images' (N×H×W×C, in the "
    "dataset's dtype).  "
    "[default: a grid named after run, checkpoint, seed and number]",
)
@force_option
@number_option(
    "--nrow",
    type=Number(SAMPLES),
    help="Number of samples per row of the grid.  [default: a nearly square grid]",
)
@number_option(
    "--scale",
    metavar="N",
    type=Number(SCALE),
    help="Enlarge each pixel to N×N pixels, without interpolation.  [default: 1]",
)
@batch_size_option
@truncation_option
@latents_option
@click.option(
    "--save-latents",
    metavar="FILE.npz",
    type=PathType(),
    help="Also write the latents, classes and seed to a file that --latents accepts.",
)
@generator_option
@machine_options
@click.pass_context
def sample(
    context: click.Context,
    ckpt: Path,
    n: int | None,
    class_name: str | None,
    code: str | None,
    seed: int,
    out: Path | None,
    force: bool,
    nrow: int | None,
    scale: int | None,
    batch_size: int,
    truncation: float | None,
    latents_file: Path | None,
    conditions_file: Path | None,
    condition: tuple[float, ...] | None,
    save_latents: Path | None,
    generator_options: tuple[str, ...],
    plugin_paths: tuple[Path, ...],
    device: str,
    quiet: bool,
) -> None:
    """Generate samples from a checkpoint.

    Sampling requires only the checkpoint file. It does not require the dataset or the run folder.
    """  # fmt: skip
    refuse_both(context, "seed", "latents_file")
    refuse_both(context, "truncation", "latents_file")
    from ganctl.errors import USAGE, GanctlError
    from ganctl.runs.checkpoint import find_checkpoint, output_name
    from ganctl.sampling import latent_files, writers
    from ganctl.sampling.sampler import load
    from ganctl.system import output_files
    from ganctl.system.progress import make_reporter

    if out is not None and out.suffix and out.suffix not in (".png", ".npz") and not out.is_dir():
        raise GanctlError(
            f"--out {out}: unknown file type.",
            f"Give a .png file for a grid, a .npz file for an array, or a folder: --out {out.with_suffix('.png')}",
            status=USAGE,
        )
    if nrow is not None and out is not None and out.suffix != ".png":
        raise GanctlError(
            "--nrow requires a grid.",
            "Give --out FILE.png.",
            status=USAGE,
        )
    refuse_scale_of_arrays(scale, out)
    if save_latents is not None:
        latent_files.check_path(save_latents)
        output_files.check_distinct([("--save-latents", save_latents), *([("--out", out)] if out else [])])
    checkpoint = find_checkpoint(ckpt)
    sampler = with_generator_options(load(checkpoint, device=device, plugins=plugin_paths), generator_options)
    if class_name is not None and code is not None:
        raise GanctlError("Both --class and --code were given.", "Give one of them.", status=USAGE)
    classes, given = classes_of(sampler, class_name), latents_from(sampler, latents_file)
    given_conditions = apply_conditions(context, sampler, conditions_file, condition)
    n = n or (len(given.z) if given is not None else given_conditions or 25)
    source = f"seed{seed}" if latents_file is None else latents_file.stem
    row = f"-class-{class_name}" if class_name is not None else f"-code-{code}" if code else ""
    made_from = recorded_inputs(context, checkpoint, n=n)
    if out is None:
        name = f"{output_name(checkpoint)}-{source}-n{n}{row}"
        out = output_files.default_file(Path(), name, ".png", made_from)
    for path in (out, save_latents):
        if path is not None:
            output_files.check_replaceable(path, made_from, force=force)
    writers.write_samples(
        sampler,
        n,
        out,
        seed=seed,
        classes=classes,
        code=code,
        nrow=nrow,
        scale=scale or 1,
        batch_size=batch_size,
        truncation=truncation,
        latents=given,
        save_latents=save_latents,
        comment=made_from,
        reporter=make_reporter(quiet=quiet),
    )
