"""``ganctl evolution``."""

from __future__ import annotations

from pathlib import Path

import click

EXAMPLES = """
\b
Examples:
  ganctl evolution runs/00001-dcgan-mnist
  ganctl evolution runs/00001-dcgan-mnist --fps 8 --captions --out digits.gif
  ganctl evolution runs/00001-dcgan-mnist --out digits.mp4
"""


@click.command(epilog=EXAMPLES)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out",
    metavar="FILE.gif|FILE.mp4",
    type=click.Path(path_type=Path),
    help="Where to.  [default: evolution.gif in the run folder]",
)
@click.option(
    "--fps",
    default=4.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Pictures a second.",
)
@click.option("--captions", is_flag=True, help="Put epoch and step below each picture.")
@click.option(
    "--scale", type=click.IntRange(min=1), help="How many times as large.  [default: about 480 pixels wide]"
)
@click.option(
    "--hold",
    default=2.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Seconds that the last picture stays.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress, only errors.")
def evolution(
    run: Path, out: Path | None, fps: float, captions: bool, scale: int | None, hold: float, quiet: bool
) -> None:
    """Show how the pictures of a run came about.

    The same latents through all epochs, as a GIF, or as an MP4 if the package av is installed.
    """
    from ganctl.reports.timelapse import make
    from ganctl.system.progress import make_reporter

    reporter = make_reporter(quiet=quiet)
    out = out or run / "evolution.gif"
    n = make(run, out, fps=fps, captions=captions, scale=scale, hold=hold, reporter=reporter)
    reporter.say(f"{n} pictures in {out}, {out.stat().st_size / 1e6:.1f} MB")
