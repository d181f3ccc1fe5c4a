"""``ganctl report``."""

from __future__ import annotations

from pathlib import Path

import click

from ganctl.cli.shared_options import plugin_option

EXAMPLES = """
\b
Examples:
  ganctl report runs/00001-dcgan-mnist
  ganctl report runs/*wgan* --out wgan.html
  ganctl report sweeps/lr-batch --out report.html --out report.md
  ganctl report runs/00001-dcgan-mnist --epochs 5,10,20
  ganctl report a.pt b.pt
  ganctl report runs/ --figures figures/ --figure-format pdf
"""


class Epochs(click.ParamType):
    """``5,10,20``"""

    name = "epochs"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(sorted({float(part) for part in str(value).split(",")}))
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 5,10,20", param, ctx)


@click.command(epilog=EXAMPLES)
@click.argument(
    "runs",
    nargs=-1,
    required=True,
    metavar="RUN|SWEEP|CKPT…",
    type=click.Path(path_type=Path),
)
@click.option(
    "--out",
    multiple=True,
    metavar="FILE.html|FILE.md",
    type=click.Path(path_type=Path),
    help="Where to; may be given twice.  [default: report.html in the folder given, of several: here]",
)
@click.option("--title", help="What stands above it.  [default: made of what differs]")
@click.option(
    "--epochs", type=Epochs(), default=(), metavar="LIST", help="Pictures of these epochs, as 5,10,20."
)
@click.option(
    "--max-mb",
    type=click.FloatRange(min=0.1),
    default=8.0,
    show_default=True,
    help="About how large all pictures together may be; epochs, then pictures are left out.",
)
@click.option(
    "--figures",
    "figures_folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write curves and pictures for print into this folder too.",
)
@click.option(
    "--figure-format",
    type=click.Choice(["pdf", "svg", "png"]),
    default="pdf",
    show_default=True,
    help="PNG has 300 dots an inch.",
)
@click.option("--open", "show", is_flag=True, help="Show it in the browser.")
@plugin_option
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
def report(
    runs: tuple[Path, ...],
    out: tuple[Path, ...],
    title: str | None,
    epochs: tuple[float, ...],
    max_mb: float,
    figures_folder: Path | None,
    figure_format: str,
    show: bool,
    plugin_paths: tuple[Path, ...],
    quiet: bool,
) -> None:
    """Put runs side by side in one file to share.

    Pictures over the epochs, curves, the settings that differ, time, and what stands out, in words. An HTML report
    needs no network and opens from a mail. Runs may be unfinished, failed, or of unlike models.
    """
    from ganctl.reports.summary import check_suffix
    from ganctl.reports.summary import report as make
    from ganctl.system.progress import make_reporter

    if not out:
        single = len(runs) == 1 and runs[0].is_dir()
        out = ((runs[0] if single else Path()) / "report.html",)
    for path in out:
        check_suffix(path)
    made = make(*runs, title=title, epochs=epochs, megabytes=max_mb, plugins=plugin_paths)
    reporter = make_reporter(quiet=quiet)
    for path in out:
        written = made.write(path)
        size = sum(file.stat().st_size for file in written) / 1e6
        n = len(made.entries)
        reporter.say(f"{n} run{'s' if n > 1 else ''} in {path}, {size:.1f} MB")
    for note in made.left_out:
        reporter.say(f"{note}; --max-mb {max_mb * 4:g} or --epochs shows others")
    if figures_folder is not None:
        from ganctl.reports import figures

        names = [file.name for file in figures.write(made, figures_folder, figure_format)]
        reporter.say(f"{', '.join(names)} in {figures_folder}")
    if show:
        import webbrowser

        webbrowser.open(next((p for p in out if p.suffix == ".html"), out[0]).resolve().as_uri())
