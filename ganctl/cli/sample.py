"""``ganctl sample``."""

from __future__ import annotations

from pathlib import Path

import click

from ganctl.cli.params import plugin_option

EXAMPLES = """
\b
Examples:
  ganctl sample --ckpt x.pt --n 25
  ganctl sample --ckpt runs/00001-dcgan-mnist --n 64 --seed 7 --out seven.png
  ganctl sample --ckpt cgan.pt --class all --n 8
  ganctl sample --ckpt infogan.pt --code c=all --n 8
  ganctl sample --ckpt x.pt --n 50000 --out pictures/
  ganctl sample --ckpt x.pt --n 10000 --out pictures.npz
"""


@click.command(epilog=EXAMPLES)
@click.option(
    "--ckpt",
    required=True,
    metavar="CKPT|RUN",
    type=click.Path(path_type=Path),
    help="A checkpoint file, or a run folder for its newest one.",
)
@click.option(
    "--n",
    default=25,
    show_default=True,
    type=click.IntRange(min=1),
    help="How many pictures; with --class, of each class.",
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
    type=click.IntRange(0, 2**32 - 1),
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
@click.option(
    "--batch-size", default=64, show_default=True, type=click.IntRange(min=1), help="Pictures drawn at once."
)
@click.option(
    "--truncation",
    metavar="X",
    type=float,
    help="Draw z from a normal distribution cut off at ±X: fewer odd pictures, less variety.",
)
@plugin_option
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, only errors.")
def sample(
    ckpt: Path,
    n: int,
    class_name: str | None,
    code: str | None,
    seed: int,
    out: Path | None,
    nrow: int | None,
    batch_size: int,
    truncation: float | None,
    plugin_paths: tuple[Path, ...],
    device: str,
    quiet: bool,
) -> None:
    """Draw pictures from a checkpoint.

    The checkpoint file is enough: neither the dataset nor the run folder is needed.
    """  # fmt: skip
    from ganctl import sampling
    from ganctl.errors import USAGE, GanctlError
    from ganctl.progress import make_reporter

    if out is not None and out.suffix and out.suffix not in (".png", ".npz") and not out.is_dir():
        raise GanctlError(
            f"--out {out}: ganctl writes .png (a grid), .npz (an array) or a folder.",
            f"Try --out {out.with_suffix('.png')}",
            status=USAGE,
        )
    if nrow is not None and out is not None and out.suffix != ".png":
        raise GanctlError("--nrow is for a grid.", "Give --out FILE.png with it.", status=USAGE)
    sampler = sampling.load(ckpt, device=device, plugins=plugin_paths)
    if class_name is not None and code is not None:
        raise GanctlError("Both --class and --code were given.", "Give one of them.", status=USAGE)
    classes, row = None, f"-class-{class_name}" if class_name is not None else f"-code-{code}" if code else ""
    if class_name is not None:
        names = [str(i) for i in range(sampler.num_classes)] if class_name == "all" else [class_name]
        classes = [sampler.class_number(name) for name in names or ["0"]]
    sampling.draw(
        sampler,
        n,
        out or Path(f"{sampling.find_checkpoint(ckpt).stem}-seed{seed}-n{n}{row}.png"),
        seed=seed,
        classes=classes,
        code=code,
        nrow=nrow,
        batch_size=batch_size,
        truncation=truncation,
        reporter=make_reporter(quiet=quiet),
    )
