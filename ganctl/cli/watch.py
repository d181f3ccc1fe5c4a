"""``ganctl watch``."""

from __future__ import annotations

from pathlib import Path

import click

EXAMPLES = """
\b
Examples:
  ganctl watch
  ganctl watch runs/00001-dcgan-mnist
  ganctl watch runs/00001-dcgan-mnist --no-samples
"""


@click.command(epilog=EXAMPLES)
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option(
    "--runs",
    default=Path("runs"),
    show_default=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder of runs. Without RUN, the newest of these runs is shown.",
)
@click.option(
    "--every",
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    type=click.FloatRange(min=0.1),
    help="Seconds between updates.",
)
@click.option("--no-samples", is_flag=True, help="Do not show samples in the terminal.")
@click.option("--once", is_flag=True, help="Print the state of the run as one line and exit.")
@click.pass_context
def watch(
    ctx: click.Context, run: Path | None, runs: Path, every: float, no_samples: bool, once: bool
) -> None:
    """Watch a run during training.

    The terminal shows progress and curves and, if it has enough colors, the newest samples until the run ends. Ctrl-C
    ends the display, not the run. RUN is a run folder, or a folder of runs whose newest run is shown. By default, the
    newest run in runs/ is shown.
    """
    from ganctl.reports import watch as watching
    from ganctl.runs import read_run

    folder = run or runs
    chosen = folder if (folder / "config.toml").is_file() else read_run.newest(folder)
    ctx.exit(watching.follow(chosen, seconds=every, samples=not no_samples, once=once))
