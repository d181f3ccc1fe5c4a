"""``ganctl explore``."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import click

from ganctl.cli.sampling_options import ckpt_option, machine_options

EXAMPLES = """
\b
Examples:
  ganctl explore --ckpt x.pt
  ganctl explore --ckpt runs/00001-dcgan-mnist --port 0
  ganctl explore --ckpt x.pt --host 0.0.0.0 --no-browser
"""
PORT = 8490


@click.command(epilog=EXAMPLES)
@ckpt_option
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Where to listen: this machine alone, or 0.0.0.0 for all who can reach it.",
)
@click.option(
    "--port",
    default=PORT,
    show_default=True,
    metavar="N",
    type=click.IntRange(0, 65535),
    help="0: a free one.",
)
@click.option("--no-browser", is_flag=True, help="Only say the address, and open no browser.")
@machine_options
def explore(
    ckpt: Path,
    host: str,
    port: int,
    no_browser: bool,
    plugin_paths: tuple[Path, ...],
    device: str,
    quiet: bool,
) -> None:
    """Play with a generator in the browser: a slider for every dimension of z.

    Nothing leaves this machine. Ctrl-C ends it.
    """  # fmt: skip
    from ganctl.explore.explorer import Explorer
    from ganctl.explore.server import Server
    from ganctl.runs.checkpoint import find_checkpoint
    from ganctl.sampling import latent_walks
    from ganctl.sampling.sampler import load
    from ganctl.system.progress import make_reporter

    reporter = make_reporter(quiet=quiet)
    name = find_checkpoint(ckpt).stem
    sampler = load(ckpt, device=device, plugins=plugin_paths)
    with Server(host, port) as server:
        with reporter.bar("looking at dimensions", len(latent_walks.dimensions(sampler.latent))) as advance:
            explorer = Explorer(sampler, name, advance)
        print(f"{server.url}  (Ctrl-C ends)", file=sys.stderr, flush=True)
        if not no_browser and _has_screen():
            import webbrowser

            webbrowser.open(server.url)
        with suppress(KeyboardInterrupt):
            server.serve(explorer)
        explorer.close()


def _has_screen() -> bool:
    """Whether a browser would have a window: without one, some open in the terminal."""
    return sys.platform in ("win32", "darwin") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
