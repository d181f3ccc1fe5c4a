"""``ganctl report``."""

from __future__ import annotations

from pathlib import Path

import click

from ganctl.cli.number_types import Number, Numbers, number_option
from ganctl.cli.path_type import PathType
from ganctl.cli.shared_options import plugin_option
from ganctl.cli.value_completion import RunPath
from ganctl.config.ranges import Range

EXAMPLES = """
\b
Examples:
  ganctl report runs/00001-dcgan-mnist
  ganctl report runs/*wgan* --out wgan.html
  ganctl report sweeps/lr-batch --out report.html --out report.md
  ganctl report runs/00001-dcgan-mnist --epochs 5,10,20
  ganctl report a.pt b.pt
  ganctl report runs/ --figures figures/ --epochs 5,10,20 --columns 2
"""


@click.command(epilog=EXAMPLES)
@click.argument(
    "runs",
    nargs=-1,
    required=True,
    metavar="RUN|SWEEP|CKPT…",
    type=RunPath(),
)
@click.option(
    "--out",
    multiple=True,
    metavar="FILE.html|FILE.md",
    type=PathType(),
    help="Output file. Repeatable.  [default: report.html in RUN, or in the current folder if there are several]",
)
@click.option("--force", is_flag=True, help="Replace --out even if it was not created from these runs.")
@click.option("--title", help="Heading of the report.  [default: the settings that differ]")
@number_option(
    "--epochs",
    type=Numbers(Range(0, 1_000_000_000, whole=False)),
    default=(),
    metavar="LIST",
    help="Show the samples of these epochs, for example 5,10,20.",
)
@number_option(
    "--max-mb",
    type=Number(Range(0.1, 10_000, whole=False)),
    default=8.0,
    show_default=True,
    help="Approximate size limit for all samples. If necessary, epochs are omitted first, then images in each grid.",
)
@click.option(
    "--figures",
    "figures_folder",
    metavar="DIR",
    type=PathType(),
    help="Also write figures of curves and samples, suitable for print, to this folder.",
)
@click.option(
    "--figure-format",
    type=click.Choice(["pdf", "svg", "png"]),
    default="pdf",
    show_default=True,
    help="Format of --figures. PNG has 300 dots per inch.",
)
@click.option(
    "--columns",
    type=click.Choice(["1", "2"]),
    default="1",
    show_default=True,
    help="Width of --figures in columns of a two-column paper: 3.25 or 6.75 inches.",
)
@number_option(
    "--smoothing",
    type=Number(Range(0, 0.999, whole=False)),
    default=0.6,
    show_default=True,
    help="Weight of the moving average of the curves in --figures. 0 disables smoothing.",
)
@click.option("--open", "show", is_flag=True, help="Open the report in the browser.")
@plugin_option
@click.option("-q", "--quiet", is_flag=True, help="Print only errors.")
def report(
    runs: tuple[Path, ...],
    out: tuple[Path, ...],
    force: bool,
    title: str | None,
    epochs: tuple[float, ...],
    max_mb: float,
    figures_folder: Path | None,
    figure_format: str,
    columns: str,
    smoothing: float,
    show: bool,
    plugin_paths: tuple[Path, ...],
    quiet: bool,
) -> None:
    """Compare runs side by side in one file.

    The report shows samples over the epochs, curves, the settings that differ, training times, and problems such as
    mode collapse. An HTML report is self-contained. Runs can be unfinished or failed, and can use different models.
    """
    from ganctl.reports.report import check_suffix
    from ganctl.reports.report import report as make
    from ganctl.system import output_files
    from ganctl.system.progress import make_reporter

    made_from = output_files.record("report", {}, runs)
    if not out:
        folder = runs[0] if len(runs) == 1 and runs[0].is_dir() else Path()
        out = (output_files.default_file(folder, "report", ".html", made_from),)
    output_files.check_distinct(("--out", path) for path in out)
    for path in out:
        check_suffix(path)
        output_files.check_replaceable(path, made_from, force=force)
    result = make(*runs, title=title, epochs=epochs, megabytes=max_mb, plugins=plugin_paths)
    reporter = make_reporter(quiet=quiet)
    for path in out:
        written = result.write(path, comment=made_from)
        size = sum(file.stat().st_size for file in written) / 1e6
        n = len(result.entries)
        reporter.say(f"{n} run{'s' if n > 1 else ''} in {path}, {size:.1f} MB")
    for note in result.left_out:
        reporter.say(f"{note}. To change this, use --max-mb {max_mb * 4:g} or --epochs.")
    if figures_folder is not None:
        from ganctl.reports import figures

        files = figures.write(
            result, figures_folder, figure_format, columns=int(columns), smoothing=smoothing
        )
        reporter.say(f"{', '.join(file.name for file in files)} in {figures_folder}")
    if show:
        import webbrowser

        webbrowser.open(next((p for p in out if p.suffix == ".html"), out[0]).resolve().as_uri())
