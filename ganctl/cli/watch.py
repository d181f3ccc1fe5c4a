"""``ganctl watch``."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import click

from ganctl.cli.number_types import PORTS, SECONDS, Number, number_option
from ganctl.cli.path_type import PathType
from ganctl.cli.value_completion import RunPath

PORT = 8491
EXAMPLES = """
\b
Examples:
  ganctl watch
  ganctl watch runs/00001-dcgan-mnist
  ganctl watch runs/00001-dcgan-mnist --no-samples
  ganctl watch --web runs
"""


@click.command(epilog=EXAMPLES)
@click.argument("run", required=False, type=RunPath())
@click.option(
    "--runs",
    default=Path("runs"),
    show_default=True,
    metavar="DIR",
    type=PathType(),
    help="Folder of runs. Without RUN, the newest run in this folder is shown.",
)
@number_option(
    "--every",
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    type=Number(SECONDS),
    help="Interval between updates, in seconds.",
)
@click.option("--no-samples", is_flag=True, help="Do not show samples in the terminal.")
@click.option("--once", is_flag=True, help="Print the state of the run as one line and exit.")
@click.option("--web", is_flag=True, help="Show the run's report in the browser, updated during training.")
@number_option(
    "--port",
    default=PORT,
    show_default=True,
    metavar="N",
    type=Number(PORTS),
    help="With --web, the port to listen on; 0 for any free port.",
)
@click.option("--no-browser", is_flag=True, help="With --web, print the address without opening a browser.")
@click.pass_context
def watch(
    ctx: click.Context,
    run: Path | None,
    runs: Path,
    every: float,
    no_samples: bool,
    once: bool,
    web: bool,
    port: int,
    no_browser: bool,
) -> None:
    """Watch a run during training, in the terminal or in the browser.

    The terminal shows progress, curves and, if it has enough colors, the newest samples until the run ends. Ctrl-C
    closes the view but does not stop the run. RUN is a run folder, or a folder of runs whose newest run is shown. By
    default, the newest run in runs/ is shown.

    With --web, a page in the browser shows the same as ganctl report, and is updated during training. If RUN is a
    folder of runs or a sweep folder, the page shows all of its runs. Only this machine can open the page. Press Ctrl-C
    to stop the server.
    """
    from ganctl.reports import watch as watching
    from ganctl.runs import read_run

    if web and once:
        raise click.UsageError("--once and --web cannot be combined.")
    folder = run or runs
    if web and run:
        _serve(run, every, port, browser=not no_browser)
        return
    chosen = folder if (folder / "config.toml").is_file() else read_run.newest(folder)
    if web:
        _serve(chosen, every, port, browser=not no_browser)
    else:
        ctx.exit(watching.follow(chosen, seconds=every, samples=not no_samples, once=once))


def _serve(folder: Path, every: float, port: int, *, browser: bool) -> None:
    from ganctl.reports.live_page import LivePage, LiveServer
    from ganctl.system.web_server import show_in_browser

    if hasattr(os, "nice"):
        os.nice(10)  # training has priority
    with LiveServer(LivePage(folder, every), port) as server:
        print(f"{server.url}  (press Ctrl-C to stop)", file=sys.stderr, flush=True)
        if browser:
            show_in_browser(server.url)
        with suppress(KeyboardInterrupt):
            server.serve_forever(poll_interval=0.1)
