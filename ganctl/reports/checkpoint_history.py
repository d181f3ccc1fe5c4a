"""The history of a checkpoint file: its samples, and the curves of its run up to the checkpoint's step.

This is the only module of reports that needs torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ganctl.rendering import grid
from ganctl.runs import read_run
from ganctl.runs.read_run import Frame, History
from ganctl.runs.status import Status
from ganctl.sampling.sampler import load
from ganctl.training.generate_samples import rows_of_classes


def read(path: Path, plugins: Sequence[Path | str] = ()) -> History:
    """Generate the samples that training would save at this checkpoint, and read the run's history up to its step.

    Args:
        path: a checkpoint file, inside or outside its run folder.
        plugins: plugin files, needed if the generator is defined in one of them.

    Raises:
        GanctlError: the checkpoint cannot be loaded.
    """
    sampler = load(path, device="cpu", plugins=plugins)
    config, step = sampler.config, sampler.step
    n, y, columns = config.samples, None, math.ceil(math.sqrt(config.samples))
    z = sampler.latents(n, seed=config.seed)
    if sampler.conditional and not sampler.takes_conditions:
        # As in training, one row per class with the same latents in each row.
        rows = min(sampler.num_classes, 10, n)
        columns = n // rows
        z, y = rows_of_classes(sampler.latents(columns, seed=config.seed), list(range(rows)))
    x = torch.cat([grid.to_uint8(part) for part in sampler.generate(z, y)])
    run = _read_run(path)
    frame = Frame(step, round(run.epoch_of(step), 3) if run else 0.0, path, grid.png(grid.grid(x, columns)))
    status = replace(
        run.status if run else Status("finished"),
        state="finished",
        step=step,
        image=(x.shape[1], x.shape[2], x.shape[3]),
        grid=(columns, math.ceil(len(x) / columns)),
        error=None,
    )
    if run is None:
        return History(
            name=path.stem, path=path, config=config.to_dict(), losses=[], timing=[], metrics=[],
            frames=[frame], real=None, state="finished", note="", total=None, status=status,
        )  # fmt: skip
    return replace(
        run,
        name=f"{run.name}/{path.stem}",
        path=path,
        losses=[r for r in run.losses if r["step"] <= step],
        timing=[t for t in run.timing if t["step"] <= step],
        metrics=[e for e in run.metrics if e["step"] <= step],
        frames=[f for f in run.frames if f.step < step] + [frame],
        state="finished",
        note="",
        status=status,
    )


def _read_run(checkpoint: Path) -> History | None:
    """Read the run that contains ``checkpoint``, or return None if the checkpoint is not in a run folder."""
    folder = checkpoint.resolve().parent.parent
    return read_run.read(folder) if (folder / "config.toml").is_file() else None
