"""``ganctl train``: train a GAN. Other commands share its options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ganctl.cli.help_sections import command_with_sections
from ganctl.cli.number_types import setting_option
from ganctl.cli.path_type import PathType
from ganctl.cli.shared_options import component, model_and_data, options, plugin_option, quiet_option
from ganctl.cli.value_completion import PartOption, RunPath
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


# The options have no defaults, because the defaults of the settings apply.
input_options = options(
    model_and_data,
    click.option("--config", "config_file", metavar="FILE", type=PathType(),
                 help="TOML file with settings. Use a run's config.toml to repeat the run."),
    click.option("--resume", metavar="RUN|CKPT", type=RunPath(),
                 help="Run folder or checkpoint to resume. Add --epochs, --steps or --minutes to train longer."),
    plugin_option,
)  # fmt: skip
length_options = options(
    setting_option("--epochs", help="Number of times that D sees the dataset.  [default: 20]"),
    setting_option("--steps", help="Number of steps, instead of --epochs."),
    setting_option(
        "--minutes",
        help="Maximum training time, instead of or in addition to --epochs or --steps. Time before a "
        "--resume counts. Loading data, sampling and saving do not count.",
    ),
)
part_options = options(
    click.option("--generator", metavar="NAME", type=component("generator"),
                 help="Generator. See: ganctl list generators"),
    click.option("--discriminator", metavar="NAME", type=component("discriminator"),
                 help="Discriminator. See: ganctl list discriminators"),
    click.option("--loss", metavar="NAME", type=component("loss"), help="Loss. See: ganctl list losses"),
    click.option("--regularizer", "regularizers", metavar="NAME|none", type=component("regularizer"), multiple=True,
                 help="Term added to the loss, such as r1. Repeatable. See: ganctl list regularizers"),
    click.option("--optimizer", metavar="NAME", type=component("optimizer"),
                 help="Optimizer for both networks. The learning rates do not change. See: ganctl list optimizers"),
    click.option("--g-optimizer", metavar="NAME", type=component("optimizer"), help="Optimizer for G only."),
    click.option("--d-optimizer", metavar="NAME", type=component("optimizer"), help="Optimizer for D only."),
    setting_option("--lr", metavar="X", help="Learning rate for both networks."),
    setting_option("--g-lr", metavar="X", help="Learning rate for G only."),
    setting_option("--d-lr", metavar="X", help="Learning rate for D only."),
    setting_option("--batch-size", help="Number of images per update."),
    setting_option("--n-critic", help="Number of D updates per step."),
    setting_option("--n-generator", help="Number of G updates per step."),
    click.option("--latent", metavar="NAME", type=component("latent"),
                 help="Distribution of z. See: ganctl list latents"),
    click.option("--augment", metavar="NAME", type=component("augmentation"),
                 help="Augmentation of every image that D sees, such as diffaug. See: ganctl list augmentations"),
    click.option("--lr-schedule", metavar="TEXT",
                 help="Schedule for both learning rates, such as 'linear 0' or 'warmup 500, cosine 0'. "
                      "For other values, such as loss.gamma or ema: -o schedules.ema=TEXT"),
    setting_option("--z-dim", help="Length of z."),
    setting_option("--ema", metavar="IMAGES",
                 help="Half-life, in images, of the moving average of G's weights, such as 10000."),
    setting_option("--ema-rampup", metavar="X",
                 help="Maximum half-life of the averaged G, as a fraction of the number of images that G has been "
                      "trained on; none: no warm-up.  [default: 0.05]"),
    click.option("-o", "--option", "component_options", metavar="PART.OPTION=VALUE", type=PartOption(), multiple=True,
                 help="Option of a part, such as generator.width=32. The parts are generator, discriminator, loss, "
                      "data, latent, augment, optimizer, g_optimizer, d_optimizer, and each regularizer, for example "
                      "r1.gamma=10. 'ganctl info NAME' lists the options. Repeatable."),
)  # fmt: skip
image_options = options(
    setting_option("--image-size", help="Crop images to squares and resize them to N×N."),
    click.option("--data-root", metavar="DIR", type=PathType(str),
                 help="Folder in which datasets are stored.  [default: $GANCTL_DATA_ROOT, or data]"),
)  # fmt: skip
machine_options = options(
    click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps.  [default: auto]"),
    click.option("--precision", metavar="NAME", help="fp32, tf32 or bf16.  [default: fp32]"),
    click.option(
        "--deterministic",
        is_flag=True,
        default=None,
        help="Make repeated and resumed runs on a GPU bit-identical. This is slower.",
    ),
    click.option("--compile", is_flag=True, default=None, help="Compile G and D with torch.compile."),
    click.option(
        "--no-graph",
        "graph",
        flag_value=False,
        default=None,
        help="Run every step in Python instead of replaying a graph, for example to use a debugger.",
    ),
    setting_option(
        "--seed",
        help="Random seed for weights, latents and the order of images. The same seed repeats the run.  [default: 0]",
    ),
)
output_options = options(
    setting_option("--sample-every",
                 help="Number of steps between sample grids.  [default: about 50 grids per run]"),
    setting_option("--samples", help="Number of samples in each grid.  [default: 64]"),
    click.option("--metric", "metrics", metavar="NAME", type=component("metric"), multiple=True,
                 help="Metric of G's samples, computed at each checkpoint. Repeatable. See: ganctl list metrics"),
    setting_option("--metric-samples",
                 help="Number of samples from which each metric is computed.  [default: 2048]"),
    click.option("--tracker", "trackers", metavar="NAME|none", type=component("tracker"), multiple=True,
                 help="Tracker for losses, metrics and samples; see 'ganctl list trackers'. Repeatable.  "
                      "[default: tensorboard]"),
    setting_option("--log-every",
                 help="Number of steps that each log line averages over.  [default: 50 to 100 lines per run]"),
    setting_option("--checkpoint-every",
                 help="Number of steps between checkpoints, in addition to one every ten minutes.  "
                      "[default: about 10 checkpoints per run]"),
    setting_option("--keep", metavar="K", help="Number of checkpoints to keep, newest first; 0 for all.  [default: 3]"),
    click.option("--force", is_flag=True, default=None, help="Train even if ganctl advises against the settings."),
    click.option("--on-nan", metavar="stop|ignore",
                 help="Action to take if a loss is not finite.  [default: stop]"),
    quiet_option,
)  # fmt: skip
folder_options = options(
    click.option("--runs", metavar="DIR", type=PathType(), default=Path("runs"), show_default=True,
                 help="Parent directory for the numbered run folder."),
    click.option("--name", metavar="TEXT",
                 help="Name of the run folder, after its number.  [default: the model and the data]"),
    click.option("--out", metavar="DIR", type=PathType(),
                 help="Run folder, instead of a numbered folder. It must be new or empty."),
    output_options,
    click.option("-v", "--verbose", is_flag=True, help="Print every log line and all settings."),
)  # fmt: skip


@command_with_sections(
    {
        "Model and data": input_options,
        "Length": length_options,
        "Parts (default: the model's)": part_options,
        "Images": image_options,
        "Machine": machine_options,
        "Run folder": folder_options,
    },
    epilog=EXAMPLES,
)
def train(
    config_file: Path | None,
    resume: Path | None,
    plugin_paths: tuple[Path, ...],
    component_options: tuple[str, ...],
    runs: Path,
    name: str | None,
    out: Path | None,
    quiet: bool,
    verbose: bool,
    **settings: str | tuple[str, ...] | None,
) -> None:
    """Train a GAN in a run folder.

    Ctrl-C saves a checkpoint after the current step and stops. --resume continues exactly where the run stopped.
    """
    from ganctl.system.signals import StopSignals

    with StopSignals() as stop:  # before importing torch, which takes seconds
        with stop.importing():
            from ganctl.config.command_line import with_options
            from ganctl.config.resolve import resolve
            from ganctl.plugin import single_file
            from ganctl.runs import resume as resuming
            from ganctl.runs.folder import check_run_name
            from ganctl.system import toml
            from ganctl.system.progress import make_reporter, print_warnings
            from ganctl.training.loop import train as run_training
        reporter = make_reporter(quiet=quiet, verbose=verbose)
        registry = single_file.registry_with(plugin_paths)
        given: dict[str, Any] = {name: value for name, value in settings.items() if value not in (None, ())}
        check_run_name(name)
        for option, value, excluded in (
            ("--resume", resume, {"--config": config_file, "--out": out, "--name": name}),
            ("--out", out, {"--name": name}),
        ):
            for other in (other for other, given_too in excluded.items() if given_too is not None):
                if value is not None:
                    raise GanctlError(
                        f"{other} cannot be combined with {option}.", "Give one of them.", status=USAGE
                    )
        if resume is not None:
            resume_from = resuming.find(
                resume, registry, with_options(given, component_options, registry), reporter.say
            )
            config = resume_from.config
        else:
            resume_from = None
            layers = [toml.read(config_file)] if config_file else []
            config, warnings = resolve(registry, *layers, with_options(given, component_options, registry))
            print_warnings(warnings)
        if verbose:
            reporter.say(config.to_toml())
        run_training(
            config,
            registry=registry,
            runs=runs,
            out=out,
            name=name,
            resume=resume_from,
            reporter=reporter,
            stop=stop,
        )
