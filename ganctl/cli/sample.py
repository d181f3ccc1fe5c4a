"""``ganctl sample``."""

from __future__ import annotations

from pathlib import Path

import click

from ganctl.cli.sampling_options import (
    batch_size_option,
    ckpt_option,
    classes_of,
    latents_from,
    latents_option,
    machine_options,
    refuse_both,
    seed_type,
    truncation_option,
)

EXAMPLES = """
\b
Examples:
  ganctl sample --ckpt x.pt --n 25
  ganctl sample --ckpt runs/00001-dcgan-mnist --n 64 --seed 7 --out seven.png
  ganctl sample --ckpt cgan.pt --class all --n 8
  ganctl sample --ckpt infogan.pt --code c=all --n 8
  ganctl sample --ckpt x.pt --n 50000 --out pictures/
  ganctl sample --ckpt x.pt --n 10000 --out pictures.npz
  ganctl sample --ckpt x.pt --n 4 --save-latents four.npz
  ganctl sample --ckpt y.pt --latents four.npz
"""


@click.command(epilog=EXAMPLES)
@ckpt_option
@click.option(
    "--n",
    metavar="N",
    type=click.IntRange(min=1),
    help="How many pictures; with --class, of each class.  [default: 25, or all of --latents]",
)
@click.option(
    "--class",
    "class_name",
    metavar="NAME|all",
    help="Of a conditional model: this class, by name or number, or a row a class.",
)
@click.option(
    "--code",
    metavar="NAME=VALUE",
    help="Of an InfoGAN: a code, as c=3 or u0=0.5; or a row a value, as c=all or u0=-1..1.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=seed_type(),
    help="Of the latents: the same seed, the same pictures; more pictures begin with those of fewer.",
)
@click.option(
    "--out",
    metavar="FILE.png|DIR|FILE.npz",
    type=click.Path(path_type=Path),
    help="A grid, a folder of PNG files, or an array N×H×W×C uint8 named 'images'.  "
    "[default: a grid named after checkpoint, seed and number]",
)
@click.option(
    "--nrow",
    type=click.IntRange(min=1),
    help="Pictures in a row of the grid.  [default: as square as can be]",
)
@batch_size_option
@truncation_option
@latents_option
@click.option(
    "--save-latents",
    metavar="FILE.npz",
    type=click.Path(path_type=Path),
    help="Also write the latents, the classes and the seed, for --latents.",
)
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
    nrow: int | None,
    batch_size: int,
    truncation: float | None,
    latents_file: Path | None,
    save_latents: Path | None,
    plugin_paths: tuple[Path, ...],
    device: str,
    quiet: bool,
) -> None:
    """Draw pictures from a checkpoint.

    The checkpoint file is enough: neither the dataset nor the run folder is needed.
    """  # fmt: skip
    refuse_both(context, "seed", "latents_file")
    refuse_both(context, "truncation", "latents_file")
    from ganctl.errors import USAGE, GanctlError
    from ganctl.runs.checkpoint import find_checkpoint
    from ganctl.sampling import latent_files, writers
    from ganctl.sampling.sampler import load
    from ganctl.system.progress import make_reporter

    if out is not None and out.suffix and out.suffix not in (".png", ".npz") and not out.is_dir():
        raise GanctlError(
            f"--out {out}: ganctl writes .png (a grid), .npz (an array) or a folder.",
            f"Try --out {out.with_suffix('.png')}",
            status=USAGE,
        )
    if nrow is not None and out is not None and out.suffix != ".png":
        raise GanctlError("--nrow is for a grid.", "Give --out FILE.png with it.", status=USAGE)
    if save_latents is not None:
        latent_files.check_path(save_latents)
    sampler = load(ckpt, device=device, plugins=plugin_paths)
    if class_name is not None and code is not None:
        raise GanctlError("Both --class and --code were given.", "Give one of them.", status=USAGE)
    classes, given = classes_of(sampler, class_name), latents_from(sampler, latents_file)
    n = n or (25 if given is None else len(given.z))
    source = f"seed{seed}" if latents_file is None else latents_file.stem
    row = f"-class-{class_name}" if class_name is not None else f"-code-{code}" if code else ""
    writers.draw(
        sampler,
        n,
        out or Path(f"{find_checkpoint(ckpt).stem}-{source}-n{n}{row}.png"),
        seed=seed,
        classes=classes,
        code=code,
        nrow=nrow,
        batch_size=batch_size,
        truncation=truncation,
        latents=given,
        save_latents=save_latents,
        reporter=make_reporter(quiet=quiet),
    )
