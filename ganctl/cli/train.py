"""``ganctl train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ganctl.cli.help_sections import command_with_sections
from ganctl.cli.shared_options import component, model_and_data, options, plugin_option
from ganctl.errors import USAGE, GanctlError

EXAMPLES = """
\b
Examples:
  ganctl train --model dcgan --data mnist
  ganctl train --model dcgan --data ./faces --image-size 64 --epochs 50
  ganctl train --model gan --data mnist --optimizer rmsprop --lr 1e-4
  ganctl train --model dcgan --data glyphs -o generator.width=32 -o d_optimizer.betas=0,0.9
  ganctl train --config runs/00001-dcgan-mnist/config.toml --seed 1
  ganctl train --resume runs/00001-dcgan-mnist --epochs 40
"""


# Values stay text here: the settings they end in know their types, and say so in one voice for the command line,
# a TOML file and Python.
what = options(
    model_and_data,
    click.option("--config", "config_file", metavar="FILE", type=click.Path(path_type=Path),
                 help="Settings from a TOML file; a run's config.toml repeats the run."),
    click.option("--resume", metavar="RUN|CKPT", type=click.Path(path_type=Path),
                 help="Go on with a run folder, or from a checkpoint; with --epochs or --steps for longer."),
    plugin_option,
)  # fmt: skip
how_long = options(
    click.option("--epochs", metavar="N", help="Times that D sees the dataset.  [default: 20]"),
    click.option("--steps", metavar="N", help="Generator updates, instead of epochs."),
)
parts = options(
    click.option("--generator", metavar="NAME", type=component("generator"), help="See: ganctl list generators."),
    click.option("--discriminator", metavar="NAME", type=component("discriminator"),
                 help="See: ganctl list discriminators."),
    click.option("--loss", metavar="NAME", type=component("loss"), help="See: ganctl list losses."),
    click.option("--optimizer", metavar="NAME", type=component("optimizer"),
                 help="Of both networks; see: ganctl list optimizers. Keeps the learning rate."),
    click.option("--g-optimizer", metavar="NAME", type=component("optimizer"), help="Of G alone."),
    click.option("--d-optimizer", metavar="NAME", type=component("optimizer"), help="Of D alone."),
    click.option("--lr", metavar="X", help="Learning rate of both networks."),
    click.option("--g-lr", metavar="X", help="Of G alone."),
    click.option("--d-lr", metavar="X", help="Of D alone."),
    click.option("--batch-size", metavar="N", help="Images in each update."),
    click.option("--n-critic", metavar="N", help="Updates of D per update of G."),
    click.option("--latent", metavar="NAME", type=component("latent"),
                 help="Distribution of z; see: ganctl list latents."),
    click.option("--augment", metavar="NAME", type=component("augmentation"),
                 help="What D sees every picture through, as diffaug; see: ganctl list augmentations."),
    click.option("--lr-schedule", metavar="TEXT",
                 help="Of both learning rates, as 'linear 0' or 'warmup 500, cosine 0'. Others, as loss.gamma or ema: "
                      "-o schedules.ema=TEXT."),
    click.option("--z-dim", metavar="N", help="Length of z."),
    click.option("--ema", metavar="IMAGES", help="Half-life of an averaged G to sample from, in images, as 10000."),
    click.option("-o", "--option", "component_options", metavar="PART.OPTION=VALUE", multiple=True,
                 help="Any option of any part, as generator.width=32; parts are generator, discriminator, loss, data, "
                      "latent, optimizer, g_optimizer, d_optimizer. 'ganctl info NAME' lists them."),
)  # fmt: skip
images = options(
    click.option("--image-size", metavar="N", help="Resize and crop pictures to N×N."),
    click.option("--data-root", metavar="DIR",
                 help="Where datasets lie or are downloaded to.  [default: $GANCTL_DATA_ROOT, or data]"),
)  # fmt: skip
machine = options(
    click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps.  [default: auto]"),
    click.option("--precision", metavar="NAME", help="fp32, tf32 or bf16.  [default: fp32]"),
    click.option(
        "--deterministic",
        is_flag=True,
        default=None,
        help="On a GPU: the same bits in every run, and after --resume. Slower.",
    ),
    click.option(
        "--compile", is_flag=True, default=None, help="Have torch.compile make kernels for G and D."
    ),
    click.option(
        "--no-graph",
        "graph",
        flag_value=False,
        default=None,
        help="Take every step from Python and not as a graph, as for a debugger.",
    ),
    click.option(
        "--seed",
        metavar="N",
        help="Of weights, latents and order. The same seed, the same run.  [default: 0]",
    ),
)
kept = options(
    click.option("--sample-every", metavar="N", help="A sample picture every N steps too, besides every epoch."),
    click.option("--samples", metavar="N", help="Pictures in each sample grid.  [default: 64]"),
    click.option("--metric", "metrics", metavar="NAME", type=component("metric"), multiple=True,
                 help="A number for G's pictures after each epoch; several, if given again. See: ganctl list metrics."),
    click.option("--metric-samples", metavar="N", help="Pictures that each is computed from.  [default: 2048]"),
    click.option("--tracker", "trackers", metavar="NAME|none", type=component("tracker"), multiple=True,
                 help="Where numbers and pictures are shown; several, if given again. See: ganctl list trackers.  "
                      "[default: tensorboard]"),
    click.option("--log-every", metavar="N", help="Steps between log lines, each a mean over them.  [default: 50]"),
    click.option("--checkpoint-every", metavar="N", help="Steps between checkpoints.  [default: an epoch]"),
    click.option("--keep", metavar="K", help="Newest checkpoints to keep; 0: all.  [default: 3]"),
    click.option("--force", is_flag=True, default=None, help="Train what ganctl advises against."),
    click.option("--on-nan", metavar="stop|ignore", help="When a loss is not finite.  [default: stop]"),
    click.option("-q", "--quiet", is_flag=True, help="No progress, only errors."),
)  # fmt: skip
folder = options(
    click.option("--runs", metavar="DIR", type=click.Path(path_type=Path), default=Path("runs"), show_default=True,
                 help="Where a numbered run folder is made."),
    click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="The run folder itself; new or empty."),
    kept,
    click.option("-v", "--verbose", is_flag=True, help="Every log line and all settings."),
)  # fmt: skip


@command_with_sections(
    {
        "What": what,
        "How long": how_long,
        "Parts (each defaults to the model's)": parts,
        "Images": images,
        "Machine": machine,
        "Run folder": folder,
    },
    epilog=EXAMPLES,
)
def train(
    config_file: Path | None,
    resume: Path | None,
    plugin_paths: tuple[Path, ...],
    component_options: tuple[str, ...],
    runs: Path,
    out: Path | None,
    quiet: bool,
    verbose: bool,
    **settings: str | tuple[str, ...] | None,
) -> None:
    """Train a GAN and keep everything about it in a run folder.

    Ctrl-C stops after the current step and saves; --resume goes on exactly there.
    """
    from ganctl.system.signals import StopSignals

    with StopSignals() as stop:  # before torch is imported: a signal during that must count too
        from ganctl.config.command_line import with_options
        from ganctl.config.resolve import resolve
        from ganctl.plugin import single_file
        from ganctl.runs import resume as resuming
        from ganctl.system import toml
        from ganctl.system.progress import make_reporter, print_warnings
        from ganctl.training.loop import train as run_training

        stop.check()
        reporter = make_reporter(quiet=quiet, verbose=verbose)
        registry = single_file.registry_with(plugin_paths)
        given: dict[str, Any] = {name: value for name, value in settings.items() if value not in (None, ())}
        if resume is not None:
            if config_file or out:
                raise GanctlError(
                    f"--resume goes on with a run as it is; {'--config' if config_file else '--out'} contradicts it.",
                    "Give one or the other.",
                    status=USAGE,
                )
            found = resuming.find(
                resume, registry, with_options(given, component_options, registry), reporter.say
            )
            config = found.config
        else:
            found = None
            layers = [toml.read(config_file)] if config_file else []
            config, warnings = resolve(registry, *layers, with_options(given, component_options, registry))
            print_warnings(warnings)
        if verbose:
            reporter.say(config.to_toml())
        run_training(
            config, registry=registry, runs=runs, out=out, resume=found, reporter=reporter, stop=stop
        )
