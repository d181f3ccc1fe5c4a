"""``ganctl watch``."""

from __future__ import annotations

from pathlib import Path

import click

EXAMPLES = """
\b
Examples:
  ganctl watch
  ganctl watch runs/00001-dcgan-mnist
  ganctl watch runs/00001-dcgan-mnist --no-pictures
"""


@click.command(epilog=EXAMPLES)
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option(
    "--runs",
    default=Path("runs"),
    show_default=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Without RUN: where the newest run is looked for.",
)
@click.option(
    "--every",
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    type=click.FloatRange(min=0.1),
    help="How often to look.",
)
@click.option("--no-pictures", is_flag=True, help="Draw no picture in the terminal.")
@click.option("--once", is_flag=True, help="Tell how it stands in one line, and end.")
@click.pass_context
def watch(
    ctx: click.Context, run: Path | None, runs: Path, every: float, no_pictures: bool, once: bool
) -> None:
    """Watch a run while it trains, until it ends.

    Curves, progress, and the newest sample where the terminal has the colors. Ctrl-C stops looking, not the run.
    Without RUN it takes the newest; a folder of runs means its newest.
    """
    from ganctl.reports import watch as watching
    from ganctl.runs import history

    folder = run or runs
    chosen = folder if (folder / "config.toml").is_file() else history.newest(folder)
    ctx.exit(watching.follow(chosen, seconds=every, pictures=not no_pictures, once=once))
