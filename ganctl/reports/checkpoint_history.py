"""A checkpoint file as a run with one picture, drawn now. The one part of reports that needs torch."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ganctl.rendering import grid
from ganctl.runs import history
from ganctl.runs.history import Frame, History
from ganctl.runs.status import Status
from ganctl.sampling.sampler import load
from ganctl.training.generate import rows_of_classes


def history_of(path: Path) -> History | None:
    """The run that the checkpoint at ``path`` lies in, up to its step; None if it lies in none."""
    folder = path.resolve().parent.parent
    return history.read(folder) if (folder / "config.toml").is_file() else None


def history_at(path: Path, plugins: Sequence[Path | str] = ()) -> History:
    """The checkpoint at ``path`` with the picture that its training would have drawn, and its run's curves up to it.

    Raises:
        GanctlError: it cannot be loaded.
    """
    sampler = load(path, device="cpu", plugins=plugins)
    config, step = sampler.config, sampler.step
    n, y, columns = config.samples, None, None
    z = sampler.latents(n, seed=config.seed)
    if sampler.conditional:  # as in a training: a row a class, of the same latents
        rows = min(sampler.num_classes, 10, n)
        columns = n // rows
        z, y = rows_of_classes(sampler.latents(columns, seed=config.seed), list(range(rows)))
    import torch

    x = torch.cat([grid.to_uint8(part) for part in sampler.generate(z, y)])
    buffer = io.BytesIO()
    grid.grid(x, columns).save(buffer, "PNG")
    run = history_of(path)
    frame = Frame(step, round(run.epoch_of(step), 3) if run else 0.0, path, buffer.getvalue())
    if run is None:
        return History(
            name=path.stem, path=path, config=config.to_dict(), losses=[], timing=[], metrics=[],
            frames=[frame], real=None, state="finished", note="", total=None,
            status=Status("finished"),
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
    )
