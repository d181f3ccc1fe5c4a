"""``ganctl bench``: measure how fast a model trains on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganctl.cli.help_sections import command_with_sections
from ganctl.cli.number_types import SECONDS, Number, number_option
from ganctl.cli.path_type import PathType
from ganctl.cli.shared_options import model_and_data, options, plugin_option
from ganctl.cli.train import image_options, machine_options, part_options

if TYPE_CHECKING:
    from ganctl.diagnostics.bench import Measurement

EXAMPLES = """
\b
Examples:
  ganctl bench --model dcgan --data mnist
  ganctl bench --model dcgan --data glyphs --precision bf16 --batch-size 256
  ganctl bench --model wgan-gp --data mnist --no-graph --json eager.json
"""

input_options = options(
    model_and_data,
    click.option("--config", "config_file", metavar="FILE", type=PathType(),
                 help="TOML file with settings, such as a run's config.toml."),
    number_option("--seconds", metavar="S", type=Number(SECONDS), default=10.0,
                 show_default=True, help="Approximate duration of the measurement."),
    click.option("--json", "json_file", metavar="FILE", type=PathType(),
                 help="Also write the results to this file as JSON."),
    plugin_option,
)  # fmt: skip


@command_with_sections(
    {
        "Model and data": input_options,
        "Parts (default: the model's)": part_options,
        "Images": image_options,
        "Machine": machine_options,
    },
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
    """Measure the training speed of a model on this machine.

    The result is compared with the machine's peak speed. No run folder is created.
    """
    import json
    from dataclasses import asdict

    from ganctl.config.command_line import with_options
    from ganctl.config.resolve import resolve
    from ganctl.diagnostics.bench import bench as run_bench
    from ganctl.plugin import single_file
    from ganctl.system import toml
    from ganctl.system.files import write_atomically
    from ganctl.system.progress import make_reporter, print_warnings

    registry = single_file.registry_with(plugin_paths)
    given: dict[str, Any] = {name: value for name, value in settings.items() if value not in (None, ())}
    layers = [toml.read(config_file)] if config_file else []
    config, warnings = resolve(registry, *layers, with_options(given, component_options, registry))
    print_warnings(warnings)
    about, measurement = run_bench(registry, config, seconds=seconds, reporter=make_reporter())
    _print_results(about, measurement)
    if json_file:
        results = {**about, **asdict(measurement), "floor": measurement.floor}
        write_atomically(json_file, (json.dumps(results, indent=1) + "\n").encode())


def _print_results(about: dict[str, Any], measurement: Measurement) -> None:
    m = measurement
    threads = f", {about['threads']} threads" if about["device"] == "cpu" else ""
    print(
        f"{about['model']} on {about['images']} of {about['data']}, batch size {about['batch_size']}; "
        f"{about['device']}{threads}, {about['precision']}; torch {about['torch']}"
    )
    rows = {
        "steps per second": f"{1 / m.step:,.2f}",
        "images per second": f"{m.images / m.step:,.0f}",
        "device busy": f"{m.busy:.0%} of the time" if m.busy is not None else "unknown",
        "work per step": f"{m.flops / 1e9:,.3g} GFLOP; at least {m.bytes / 1e6:,.3g} MB moved",
        "measured peaks": f"{m.peak_flops / 1e9:,.0f} GFLOP/s, {m.peak_bytes / 1e9:,.1f} GB/s",
        "floor": f"{m.floor * 1e3:,.3g} ms per step; this model takes {m.step * 1e3:,.3g} ms, "
        f"{m.step / m.floor:,.1f} times as long",
    }
    if m.memory is not None:
        rows["memory"] = f"{m.memory / 2**20:,.0f} MiB"
    for label, value in rows.items():
        print(f"  {label:17} {value}")
