"""``ganctl sweep``: train many GANs that differ in a few settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ganctl.cli.help_sections import command_with_sections
from ganctl.cli.number_types import SAMPLES, Number, number_option
from ganctl.cli.path_type import PathType
from ganctl.cli.shared_options import model_and_data, options, plugin_option
from ganctl.cli.terminal_output import print_table
from ganctl.cli.train import image_options, length_options, machine_options, output_options, part_options
from ganctl.cli.value_completion import PartOption
from ganctl.config.ranges import Range
from ganctl.errors import USAGE, GanctlError
from ganctl.plugin.names import option_name
from ganctl.system.pasteable_commands import ganctl_command

EXAMPLES = """
\b
Examples:
  ganctl sweep --model dcgan --data mnist --grid lr=1e-4,2e-4,3e-4 --grid batch-size=128,512 --epochs 30
  ganctl sweep --data mnist --grid model=wgan,wgan-gp,wgan-div --lr 5e-5 --seeds 3
  ganctl sweep --model gan --data glyphs --zip batch-size=64,256 --zip lr=1e-4,4e-4
  ganctl sweep --model dcgan --data glyphs --random 20 --range lr=1e-5..1e-3 --range generator.width=16..64
  ganctl sweep --resume sweeps/00001-dcgan-mnist
"""

#: Settings that may differ between the processes and machines that work on the same sweep.
LOCAL_SETTINGS = ("device", "data_root")

input_options = options(
    model_and_data,
    click.option("--config", "config_file", metavar="FILE", type=PathType(),
                 help="TOML file with settings, and with variations in the tables [grid], [zip] and [range]."),
    click.option("--resume", metavar="SWEEP", type=PathType(),
                 help="Sweep to resume, or to work on together with other processes or machines."),
    plugin_option,
)  # fmt: skip
variation_options = options(
    click.option("--grid", metavar="NAME=A,B,…", type=PartOption(), multiple=True,
                 help="Train every combination of these values. NAME is an option below, or PART.OPTION as for -o. "
                      "Repeatable."),
    click.option("--zip", "pairs", metavar="NAME=A,B,…", multiple=True,
                 help="Vary these settings together: the first values, then the second values, and so on. Repeatable."),
    click.option("--range", "ranges", metavar="NAME=LOW..HIGH", multiple=True,
                 help="Range that --random samples from: log-uniformly if LOW is above 0 (append :uniform for "
                      "uniform sampling), and integers between integers. NAME=A,B,… samples one of the values. "
                      "Repeatable."),
    number_option("--random", "draws", metavar="N", type=Number(SAMPLES),
                  help="Number of random draws from each --range."),
    number_option("--seeds", metavar="N", type=Number(SAMPLES),
                  help="Train every combination with N consecutive seeds, starting at --seed."),
)  # fmt: skip
execution_options = options(
    number_option("--jobs", metavar="N|auto", type=Number(Range(1, 1024), "auto"), default=1, show_default=True,
                 help="Number of simultaneous runs; auto for as many as memory and CPUs allow."),
    click.option("--retry-failed", is_flag=True, help="With --resume, try failed runs again."),
    click.option("--dry-run", is_flag=True, help="Check and list all runs without training."),
    click.option("--sweeps", metavar="DIR", type=PathType(), default=Path("sweeps"), show_default=True,
                 help="Parent directory for the numbered sweep folder."),
    click.option("--out", metavar="DIR", type=PathType(),
                 help="Sweep folder, instead of a numbered folder. If it contains the same sweep, that sweep is "
                      "resumed."),
)  # fmt: skip


@command_with_sections(
    {
        "Model and data": input_options,
        "Variations": variation_options,
        "Execution": execution_options,
        "Length": length_options,
        "Parts (default: the model's)": part_options,
        "Images": image_options,
        "Machine": machine_options,
        "Run folders": output_options,
    },
    epilog=EXAMPLES,
)
def sweep(
    config_file: Path | None,
    resume: Path | None,
    plugin_paths: tuple[Path, ...],
    grid: tuple[str, ...],
    pairs: tuple[str, ...],
    ranges: tuple[str, ...],
    draws: int | None,
    seeds: int | None,
    jobs: int | str,
    retry_failed: bool,
    dry_run: bool,
    sweeps: Path,
    out: Path | None,
    component_options: tuple[str, ...],
    quiet: bool,
    **settings: str | tuple[str, ...] | None,
) -> None:
    """Train many GANs that differ in a few settings.

    Every combination is a separate run in the sweep folder. Ctrl-C saves checkpoints after the current step and stops.
    --resume continues exactly where the runs stopped. Several processes and machines can work on one sweep.
    """
    from ganctl.system.signals import StopSignals

    with StopSignals() as stop:  # before importing torch, which takes seconds
        with stop.importing():
            from ganctl.sweeps.runner import check_runs, create_sweep, make_request, run_sweep
            from ganctl.sweeps.variation import parse_options

        given: dict[str, Any] = {name: value for name, value in settings.items() if value not in (None, ())}
        number_of_jobs = None if jobs == "auto" else int(jobs)
        vary = parse_options(grid, pairs, ranges, random=draws, seeds=seeds)
        local: dict[str, Any] = {}
        if resume is not None:
            from ganctl.sweeps.folder import read

            local = {name: given.pop(name) for name in LOCAL_SETTINGS if name in given}
            other = {"-o": component_options, "config": config_file, "out": out}
            _refuse_with_resume([*given, *vary, *(name for name, value in other.items() if value)])
            found = read(resume)
            if dry_run:
                _print_runs(
                    [(entry.texts, _length(entry.steps, entry.minutes), entry.state) for entry in found]
                )
                return
        else:
            if retry_failed:
                raise GanctlError(
                    "--retry-failed was given without --resume.", "Add --resume SWEEP.", status=USAGE
                )
            request = make_request(config_file, vary, given, component_options, plugins=plugin_paths)
            if dry_run:
                steps = check_runs(request, quiet=quiet)
                _print_runs(
                    [
                        (run.texts, _length(n, run.config.minutes), "")
                        for run, n in zip(request.planned, steps, strict=True)
                    ]
                )
                return
            found = create_sweep(
                request,
                jobs=number_of_jobs,
                command=ganctl_command(*click.get_current_context().find_root().obj),
                sweeps=sweeps,
                out=out,
                quiet=quiet,
            )
        run_sweep(
            found,
            jobs=number_of_jobs,
            stop=stop,
            plugins=plugin_paths,
            given=local,
            retry_failed=retry_failed,
            quiet=quiet,
        )


def _refuse_with_resume(names: Iterable[str]) -> None:
    """Raise a GanctlError if ``names`` is not empty. These options cannot be combined with ``--resume``."""
    for name in names:
        option = name if name == "-o" else f"--{option_name(name)}"
        raise GanctlError(
            f"{option} cannot be combined with --resume: a sweep keeps its settings.",
            "Give only --jobs, --device, --data-root, --plugin, --retry-failed, --dry-run or --quiet with --resume.",
            status=USAGE,
        )


def _length(steps: int | None, minutes: float | None) -> str:
    """Return the length of a run as text: steps, minutes or both."""
    parts = [*([f"{steps:,}"] if steps is not None else []), *([f"{minutes:g} min"] if minutes else [])]
    return " or ".join(parts)


def _print_runs(runs: Sequence[tuple[Mapping[str, str], str, str]]) -> None:
    """Print a table of ``(texts, length, state)`` for every run."""
    settings = list(runs[0][0])
    states = any(state for _, _, state in runs)
    header = [*(option_name(name) for name in settings), "steps", *(["state"] if states else [])]
    body = [
        [*(values[name] for name in settings), length, *([state] if states else [])]
        for values, length, state in runs
    ]
    print_table(header, body, wrap=())
    print(f"\n{len(runs)} runs")
