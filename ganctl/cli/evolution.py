"""``ganctl evolution``."""

from __future__ import annotations

from pathlib import Path

import click

from ganctl.cli.number_types import FPS, SCALE, Number, number_option
from ganctl.cli.path_type import PathType
from ganctl.cli.value_completion import RunPath
from ganctl.config.ranges import Range

EXAMPLES = """
\b
Examples:
  ganctl evolution runs/00001-dcgan-mnist
  ganctl evolution runs/00001-dcgan-mnist --fps 8 --captions --out digits.gif
  ganctl evolution runs/00001-dcgan-mnist --out digits.mp4
"""


@click.command(epilog=EXAMPLES)
@click.argument("run", type=RunPath())
@click.option(
    "--out",
    metavar="FILE.gif|FILE.mp4",
    type=PathType(),
    help="Output file.  [default: evolution.gif in the run folder]",
)
@click.option("--force", is_flag=True, help="Replace --out even if it was not created from this run.")
@number_option(
    "--fps",
    default=4.0,
    show_default=True,
    type=Number(FPS),
    help="Frames per second.",
)
@click.option("--captions", is_flag=True, help="Show the epoch and step below each frame.")
@number_option(
    "--scale",
    type=Number(SCALE),
    help="Enlarge frames by this factor.  [default: about 480 pixels wide]",
)
@number_option(
    "--hold",
    default=2.0,
    show_default=True,
    type=Number(Range(0, 3600, whole=False)),
    help="Additional time to show the last frame, in seconds.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print only errors.")
def evolution(
    run: Path,
    out: Path | None,
    force: bool,
    fps: float,
    captions: bool,
    scale: int | None,
    hold: float,
    quiet: bool,
) -> None:
    """Animate a run's samples over the epochs.

    All frames are generated from the same latents. The output is a GIF, or an MP4 if the package av is installed.
    """
    from ganctl.reports.timelapse import save_timelapse
    from ganctl.system import output_files
    from ganctl.system.progress import make_reporter

    reporter = make_reporter(quiet=quiet)
    made_from = output_files.record("evolution", {}, [run])
    if out is None:
        out = output_files.default_file(run, "evolution", ".gif", made_from)
    output_files.check_replaceable(out, made_from, force=force)
    n = save_timelapse(
        run, out, fps=fps, captions=captions, scale=scale, hold=hold, comment=made_from, reporter=reporter
    )
    reporter.say(f"{n} frames in {out}, {out.stat().st_size / 1e6:.1f} MB")
