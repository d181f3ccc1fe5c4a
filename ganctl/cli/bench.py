"""``ganctl bench``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ganctl.cli.help_sections import command_with_sections
from ganctl.cli.shared_options import model_and_data, options, plugin_option
from ganctl.cli.train import images, machine, parts

EXAMPLES = """
\b
Examples:
  ganctl bench --model dcgan --data mnist
  ganctl bench --model dcgan --data glyphs --precision bf16 --batch-size 256
  ganctl bench --model wgan-gp --data mnist --no-graph --json eager.json
"""

what = options(
    model_and_data,
    click.option("--config", "config_file", metavar="FILE", type=click.Path(path_type=Path),
                 help="Settings from a TOML file, such as a run's config.toml."),
    click.option("--seconds", metavar="S", type=click.FloatRange(min=0, min_open=True), default=10.0,
                 show_default=True, help="How long to measure, about."),
    click.option("--json", "json_file", metavar="FILE", type=click.Path(path_type=Path),
                 help="Write the figures there, too."),
    plugin_option,
)  # fmt: skip


@command_with_sections(
    {"What": what, "Parts (each defaults to the model's)": parts, "Images": images, "Machine": machine},
    epilog=EXAMPLES,
)
def bench(
    config_file: Path | None,
    seconds: float,
    json_file: Path | None,
    plugin_paths: tuple[Path, ...],
    component_options: tuple[str, ...],
    **settings: str | tuple[str, ...] | None,
) -> None:
    """Measure how fast a model trains here, and how far that is from what the machine could do."""
    import json

    import torch

    from ganctl.config.command_line import with_options
    from ganctl.config.resolve import resolve
    from ganctl.diagnostics.bench import Loop, conditions, measure
    from ganctl.plugin import single_file
    from ganctl.system import toml
    from ganctl.system.files import write_atomically
    from ganctl.system.progress import make_reporter, print_warnings
    from ganctl.training.devices import choose_device
    from ganctl.training.graph.steps import graph_factory
    from ganctl.training.setup import load_data

    reporter = make_reporter()
    registry = single_file.registry_with(plugin_paths)
    given: dict[str, Any] = {name: value for name, value in settings.items() if value not in (None, ())}
    layers = [toml.read(config_file)] if config_file else []
    config, warnings = resolve(registry, *layers, with_options(given, component_options, registry))
    print_warnings(warnings)
    device = choose_device(config.device)
    loaded = load_data(registry, config, reporter)
    with conditions(config, device):
        make_graph = graph_factory(device, compiled=config.compile) if config.graph else None
        loop = Loop(registry, config, loaded.images, device, make_graph=make_graph, say=reporter.say)
        figures = measure(loop, seconds=seconds)
        loop.close()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    threads = f", {torch.get_num_threads()} threads" if device.type == "cpu" else ""
    about = {
        "model": config.model,
        "data": config.data.name,
        "images": str(loaded.images.shape),
        "batch_size": config.batch_size,
        "device": name,
        "threads": torch.get_num_threads(),
        "precision": config.precision,
        "graph": loop.steps.graph is not None,
        "torch": str(torch.__version__),
    }
    click.echo(
        f"{config.model} on {loaded.images.shape} of {config.data.name}, batch {config.batch_size}; "
        f"{name}{threads}, {config.precision}; torch {torch.__version__}"
    )
    rows = {
        "steps a second": f"{1 / figures.step:,.2f}",
        "images a second": f"{figures.images / figures.step:,.0f}",
        "device computes": f"{figures.busy:.0%} of the time" if figures.busy is not None else "unknown",
        "work of a step": f"{figures.flops / 1e9:,.3g} GFLOP; moves {figures.bytes / 1e6:,.3g} MB at the least",
        "peaks, measured": f"{figures.peak_flops / 1e9:,.0f} GFLOP/s, {figures.peak_bytes / 1e9:,.1f} GB/s",
        "floor": f"{figures.floor * 1e3:,.3g} ms a step; this takes {figures.step * 1e3:,.3g} ms, "
        f"{figures.step / figures.floor:,.1f} times that",
    }
    if figures.memory is not None:
        rows["memory"] = f"{figures.memory / 2**20:,.0f} MiB"
    for label, value in rows.items():
        click.echo(f"  {label:16} {value}")
    if json_file:
        result = {**about, **asdict(figures), "floor": figures.floor}
        write_atomically(json_file, (json.dumps(result, indent=1) + "\n").encode())
