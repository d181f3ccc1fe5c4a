"""``ganctl explore``: a web page with one slider per dimension of z."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import click

from ganctl.cli.number_types import PORTS, Number, number_option
from ganctl.cli.sampling_options import (
    apply_conditions,
    ckpt_option,
    condition_options,
    generator_option,
    machine_options,
    with_generator_options,
)

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
    help="Address to listen on. With 0.0.0.0, every machine on the network can open the page.",
)
@number_option(
    "--port",
    default=PORT,
    show_default=True,
    metavar="N",
    type=Number(PORTS),
    help="Port to listen on; 0 for any free port.",
)
@click.option("--no-browser", is_flag=True, help="Print the address without opening a browser.")
@generator_option
@condition_options
@machine_options
@click.pass_context
def explore(
    context: click.Context,
    ckpt: Path,
    host: str,
    port: int,
    no_browser: bool,
    generator_options: tuple[str, ...],
    conditions_file: Path | None,
    condition: tuple[float, ...] | None,
    plugin_paths: tuple[Path, ...],
    device: str,
    quiet: bool,
) -> None:
    """Explore a generator in the browser with sliders for z.

    The page has one slider per dimension of z. No data leaves this machine. Press Ctrl-C to stop the server.
    """  # fmt: skip
    from ganctl.explore.explorer import Explorer
    from ganctl.explore.server import Server
    from ganctl.runs.checkpoint import find_checkpoint, output_name
    from ganctl.sampling.latent_dimensions import dimensions
    from ganctl.sampling.sampler import load
    from ganctl.system.progress import make_reporter
    from ganctl.system.web_server import show_in_browser

    reporter = make_reporter(quiet=quiet)
    checkpoint = find_checkpoint(ckpt)
    sampler = with_generator_options(load(checkpoint, device=device, plugins=plugin_paths), generator_options)
    apply_conditions(context, sampler, conditions_file, condition)
    with Server(host, port) as server:
        with reporter.bar("ranking dimensions", len(dimensions(sampler.latent))) as advance:
            explorer = Explorer(sampler, output_name(checkpoint), advance)
        if server.is_public:
            print("Everyone on your network can open this page and use the generator.", file=sys.stderr)
        print(f"{server.url}  (press Ctrl-C to stop)", file=sys.stderr, flush=True)
        if not no_browser:
            show_in_browser(server.url)
        with suppress(KeyboardInterrupt):
            server.serve(explorer)
        explorer.close()
