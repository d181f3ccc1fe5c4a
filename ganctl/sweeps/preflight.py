"""What can be known of every run before the first is trained: its data, its networks, its steps."""

from __future__ import annotations

import json
from collections.abc import Sequence

import torch

from ganctl.config.settings import Config
from ganctl.dataset import Images
from ganctl.errors import GanctlError
from ganctl.plugin.registry import Registry
from ganctl.sweeps.plan import Planned, of_run
from ganctl.system.progress import Reporter
from ganctl.training.devices import rng_state, set_rng_state
from ganctl.training.loop import total_steps
from ganctl.training.setup import load_data, make_engine

#: Settings on which neither the data nor the networks depend.
_OF_NO_MATTER = (
    "seed",
    "epochs",
    "steps",
    "log_every",
    "sample_every",
    "checkpoint_every",
    "keep",
    "metrics",
)


def check(registry: Registry, planned: Sequence[Planned], reporter: Reporter) -> list[int]:
    """Decode the data and build the networks of every run once, on the CPU; how many steps each has to take.

    Raises:
        GanctlError: one of them cannot be trained; the run is named.
    """
    data: dict[str, Images] = {}
    built: set[str] = set()
    steps = []
    before = rng_state(torch.device("cpu"))
    try:
        with reporter.bar("Checking the runs", len(planned)) as advance:
            for each in planned:
                config = each.config
                key = json.dumps([str(config.data), config.image_size, config.data_root])
                if key not in data:
                    data[key] = load_data(registry, config, reporter).images
                images = data[key]
                try:
                    if (needed := _needed(config)) not in built:
                        make_engine(registry, config, images, torch.device("cpu"))
                        built.add(needed)
                except GanctlError as error:
                    raise of_run(each.name, error) from error
                steps.append(total_steps(config, len(images.x)))
                advance(1)
    finally:
        set_rng_state(before, torch.device("cpu"))
    return steps


def threads_for(jobs: int | None) -> int:
    """Of the processor, for each of ``jobs`` runs at a time; for as many as there is room for, one."""
    return 1 if jobs is None else max(1, torch.get_num_threads() // jobs)


def _needed(config: Config) -> str:
    """What the networks depend on: two learning rates need not be built for both."""
    table = {name: value for name, value in config.to_dict().items() if name not in _OF_NO_MATTER}
    for name in ("g_optimizer", "d_optimizer"):
        table[name] = {option: value for option, value in table[name].items() if option != "lr"}
    return json.dumps(table, sort_keys=True, default=str)
