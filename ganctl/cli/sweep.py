"""``ganctl sweep``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ganctl.cli.help_sections import command_with_sections
from ganctl.cli.shared_options import model_and_data, options, plugin_option
from ganctl.cli.terminal_output import print_table
from ganctl.cli.train import how_long, images, kept, machine, parts
from ganctl.errors import USAGE, GanctlError
from ganctl.plugin.names import option_name

EXAMPLES = """
\b
Examples:
  ganctl sweep --model dcgan --data mnist --grid lr=1e-4,2e-4,3e-4 --grid batch-size=128,512 --epochs 30
  ganctl sweep --data mnist --grid model=wgan,wgan-gp,wgan-div --lr 5e-5 --seeds 3
  ganctl sweep --model gan --data glyphs --zip batch-size=64,256 --zip lr=1e-4,4e-4
  ganctl sweep --model dcgan --data glyphs --random 20 --range lr=1e-5..1e-3 --range generator.width=16..64
  ganctl sweep --resume sweeps/00001-dcgan-mnist
"""

what = options(
    model_and_data,
    click.option("--config", "config_file", metavar="FILE", type=click.Path(path_type=Path),
                 help="Settings from a TOML file, and what varies in its tables [grid], [zip] and [range]."),
    click.option("--resume", metavar="SWEEP", type=click.Path(path_type=Path),
                 help="Go on with a sweep, or help with one that others work on, here or on another machine."),
    plugin_option,
)  # fmt: skip
varies = options(
    click.option("--grid", metavar="NAME=A,B,…", multiple=True,
                 help="Every combination of these values; of any option below, or PART.OPTION as for -o."),
    click.option("--zip", "pairs", metavar="NAME=A,B,…", multiple=True,
                 help="Values that go side by side: the first of each, the second of each."),
    click.option("--range", "ranges", metavar="NAME=LOW..HIGH", multiple=True,
                 help="Where --random draws from: evenly in the logarithm if LOW is above 0 (not so with :uniform at "
                      "the end), whole numbers between whole numbers; or one of A,B,…"),
    click.option("--random", "draws", metavar="N", help="N random draws from every --range."),
    click.option("--seeds", metavar="N", help="Each of all that N times, with seeds from --seed up."),
)  # fmt: skip
work = options(
    click.option("--jobs", metavar="N|auto", default="1", show_default=True,
                 help="Runs at a time here; auto: as many as memory and processors have room for."),
    click.option("--retry-failed", is_flag=True, help="With --resume: try runs that failed again."),
    click.option("--dry-run", is_flag=True, help="Check everything, list the runs, and train none."),
    click.option("--sweeps", metavar="DIR", type=click.Path(path_type=Path), default=Path("sweeps"), show_default=True,
                 help="Where a numbered sweep folder is made."),
    click.option("--out", metavar="DIR", type=click.Path(path_type=Path),
                 help="The sweep folder itself. If the same sweep is there already, it goes on."),
)  # fmt: skip


@command_with_sections(
    {
        "What": what,
        "What varies": varies,
        "Work": work,
        "How long": how_long,
        "Parts (each defaults to the model's)": parts,
        "Images": images,
        "Machine": machine,
        "Run folders": kept,
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
    draws: str | None,
    seeds: str | None,
    jobs: str,
    retry_failed: bool,
    dry_run: bool,
    sweeps: Path,
    out: Path | None,
    component_options: tuple[str, ...],
    quiet: bool,
    **settings: str | tuple[str, ...] | None,
) -> None:
    """Train many GANs that differ in a few settings, side by side in one folder.

    Every combination is a run of its own. Ctrl-C stops after the current step and saves; --resume goes on exactly
    there, and lets other processes and machines help.
    """
    from ganctl.system.signals import StopSignals

    with StopSignals() as stop:  # before torch is imported: a signal during that must count too
        from ganctl.sweeps.runner import check_runs, create_sweep, make_request, run_sweep
        from ganctl.sweeps.variation import parse_options

        given: dict[str, Any] = {name: value for name, value in settings.items() if value not in (None, ())}
        at_a_time = _jobs(jobs)
        vary = parse_options(grid, pairs, ranges, random=draws, seeds=seeds)
        if resume is not None:
            from ganctl.sweeps.folder import read

            changed: dict[str, Any] = {
                name: given.pop(name) for name in ("device", "data_root") if name in given
            }
            more = [
                *given,
                *vary,
                *(["-o"] if component_options else []),
                *(["config"] if config_file else []),
            ]
            if more or out:
                name = option_name(more[0]) if more else "out"
                raise GanctlError(
                    f"--resume goes on with a sweep as it is; {name if name == '-o' else f'--{name}'} contradicts it.",
                    "Besides --jobs, only --device, --data-root and --plugin may be given, for this process.",
                    status=USAGE,
                )
            found = read(resume)
            if dry_run:
                _list([(entry.values, entry.steps, entry.state) for entry in found])
                return
        else:
            changed = {}
            if retry_failed:
                raise GanctlError(
                    "--retry-failed is for --resume SWEEP.", "A new sweep has no failed runs.", status=USAGE
                )
            request = make_request(config_file, vary, given, component_options, plugins=plugin_paths)
            if dry_run:
                steps = check_runs(request, quiet=quiet)
                _list([(each.values, n, "") for each, n in zip(request.planned, steps, strict=True)])
                return
            import shlex

            command = shlex.join(["ganctl", *sys.argv[1:]])
            found = create_sweep(
                request, jobs=at_a_time, command=command, sweeps=sweeps, out=out, quiet=quiet
            )
        run_sweep(
            found,
            jobs=at_a_time,
            stop=stop,
            plugins=plugin_paths,
            given=changed,
            retry_failed=retry_failed,
            quiet=quiet,
        )


def _list(runs: Sequence[tuple[Mapping[str, str], int, str]]) -> None:
    """Print (values, steps, state) of every run."""
    settings = list(runs[0][0])
    states = any(state for _, _, state in runs)
    header = [*(option_name(name) for name in settings), "steps", *(["state"] if states else [])]
    body = [
        [*(values[name] for name in settings), f"{steps:,}", *([state] if states else [])]
        for values, steps, state in runs
    ]
    print_table(header, body, wrap=())
    print(f"\n{len(runs)} runs")


def _jobs(text: str) -> int | None:
    if text == "auto":
        return None
    if text.isdigit() and int(text) > 0:
        return int(text)
    raise GanctlError(f"--jobs is {text}.", "Give a number from 1 up, or auto.", status=USAGE)
