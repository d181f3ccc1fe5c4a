"""Check the data, the networks and the number of steps of every run before the first run is trained."""

from __future__ import annotations

import json
from collections.abc import Sequence

import torch

from ganctl.config.settings import Config
from ganctl.dataset import Images
from ganctl.errors import GanctlError
from ganctl.plugin.registry import Registry
from ganctl.sweeps.plan import PlannedRun, in_run
from ganctl.system.progress import Reporter
from ganctl.training.devices import rng_state, set_rng_state
from ganctl.training.loop import total_steps
from ganctl.training.schedules import check_lengths
from ganctl.training.setup import load_data, make_engine

#: Settings that affect neither the data nor the networks.
_IRRELEVANT = (
    "seed",
    "epochs",
    "steps",
    "minutes",
    "log_every",
    "sample_every",
    "checkpoint_every",
    "keep",
    "metrics",
)


def check_runs(registry: Registry, planned: Sequence[PlannedRun], reporter: Reporter) -> list[int | None]:
    """Decode the data and build the networks of all runs on the CPU. Each distinct combination is checked once.

    Returns:
        The total number of steps of each run; None if only the run's time is limited.

    Raises:
        GanctlError: a run cannot be trained. The message contains the name of the run.
    """
    data: dict[str, Images] = {}
    built: set[str] = set()
    steps: list[int | None] = []
    before = rng_state(torch.device("cpu"))
    try:
        with reporter.bar("Checking the runs", len(planned)) as advance:
            for each in planned:
                config = each.config
                key = json.dumps([str(config.data), config.image_size, config.data_root])
                if key not in data:
                    data[key] = load_data(registry, config, reporter).images
                images = data[key]
                total = total_steps(config, len(images.x))
                try:
                    check_lengths(config.schedules, total)
                    if (relevant := _relevant_settings(config)) not in built:
                        make_engine(registry, config, images, torch.device("cpu"))
                        built.add(relevant)
                except GanctlError as error:
                    raise in_run(each.name, error) from error
                steps.append(total)
                advance(1)
    finally:
        set_rng_state(before, torch.device("cpu"))
    return steps


def threads_per_run(jobs: int | None) -> int:
    """Return the number of CPU threads of each run, given ``jobs`` simultaneous runs (None: automatic)."""
    return 1 if jobs is None else max(1, torch.get_num_threads() // jobs)


def _relevant_settings(config: Config) -> str:
    """Return the settings that affect the networks, as text. Learning rates are excluded."""
    table = {name: value for name, value in config.to_dict().items() if name not in _IRRELEVANT}
    for name in ("g_optimizer", "d_optimizer"):
        table[name] = {option: value for option, value in table[name].items() if option != "lr"}
    return json.dumps(table, sort_keys=True, default=str)
