"""Going on: which checkpoint, in which folder, and what of its logs still holds."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganctl.config.resolve import resolve
from ganctl.config.settings import COMPONENTS, Config
from ganctl.errors import CHECKPOINT, USAGE, GanctlError
from ganctl.plugin import single_file
from ganctl.plugin.registry import Registry
from ganctl.runs import checkpoint
from ganctl.runs.checkpoint_schema import checkpoint_errors
from ganctl.runs.folder import Run
from ganctl.runs.provenance import check_origin, config_of
from ganctl.system.jsonl import keep_lines

#: Settings that may change when a run goes on, because what is computed does not depend on them.
#: The data may lie elsewhere by now; that its pixels are the same is checked.
CHANGEABLE = {
    "epochs",
    "steps",
    "device",
    "graph",
    "keep",
    "checkpoint_every",
    "sample_every",
    "on_nan",
    "data",
    "data_root",
    "trackers",
    "metrics",
    "metric_samples",
}


@dataclass(frozen=True)
class Resume:
    """What to go on from: ``run`` to go on in it, else a new run that begins with the history of ``history``."""

    config: Config
    state: dict[str, Any] | None  # None: the run was stopped before its first checkpoint
    run: Run | None
    history: Run | None = None


def find(path: Path, registry: Registry, given: Mapping[str, Any], say: Callable[[str], None]) -> Resume:
    """What ``--resume path`` means, a run folder or a checkpoint, with the settings that were ``given`` besides.

    A run goes on in its folder from its newest good checkpoint. A checkpoint that has later ones beside it, or
    lies outside a run, begins a run of its own, so that nothing is written over.

    Raises:
        GanctlError: neither, damaged, or a given setting contradicts the run's.
    """
    if path.is_dir():
        run = Run.open(path)
        with run.lock():  # what another process trains in is not even read: its checkpoints come and go
            file, state = _newest_good(run, say)
        if state and file:
            saved = _config(state, file, registry)
        else:
            saved, warnings = resolve(registry, run.config)
            for warning in warnings:
                say(f"warning: {warning}")
        return Resume(_changed(saved, registry, given), state, run)
    state = checkpoint.load(path)
    config = _changed(_config(state, path, registry), registry, given)
    real = path.resolve()
    run = Run(real.parent.parent)
    if not (run.config_file.is_file() and run.status_file.is_file()):  # outside a run, or an earlier ganctl's
        return Resume(config, state, None)
    if run.checkpoints[-1:] == [real]:
        return Resume(config, state, run)
    say(f"{path} is not the newest checkpoint of its run, so this goes on in a run of its own.")
    return Resume(config, state, None, history=run)


def _config(state: dict[str, Any], file: Path, registry: Registry) -> Config:
    """The settings in ``state``, with everything that they name there and every value possible."""
    saved = config_of(registry, state)
    single_file.check_recorded(registry, saved.plugins, exact=True)
    for setting in ("model", *COMPONENTS):
        check_origin(registry, state, setting)
    with checkpoint_errors(file):
        resolve(registry, saved.to_dict())
    return saved


def _newest_good(run: Run, say: Callable[[str], None]) -> tuple[Path | None, dict[str, Any] | None]:
    damaged: list[Path] = []
    for path in reversed(run.checkpoints):
        try:
            state = checkpoint.load(path)
        except GanctlError as error:
            say(f"warning: {error.message}")
            damaged.append(path)
            continue
        for bad in damaged:  # set aside, or sampling from the run would take it for the newest
            bad.rename(bad.with_suffix(".damaged"))
        return path, state
    if damaged:
        raise GanctlError(
            f"No checkpoint of {run.path} can be read.",
            f"Start again with its settings: ganctl train --config {run.config_file}",
            status=CHECKPOINT,
        )
    return None, None


def _changed(saved: Config, registry: Registry, given: Mapping[str, Any]) -> Config:
    if not given:
        return saved
    if "model" in given and given["model"] != saved.model:  # its parts would be another's
        raise _contradiction("model", saved.model, given["model"])
    changed = resolve(registry, saved.to_dict(), given).config
    # Resolved once more as it is: a component may have gained an option since.
    before, after = resolve(registry, saved.to_dict()).config.to_dict(), changed.to_dict()
    for name in before:
        if before[name] != after[name] and name not in CHANGEABLE:
            raise _contradiction(name, before[name], after[name])
    return changed


def _contradiction(name: str, was: Any, given: Any) -> GanctlError:
    return GanctlError(
        f"The run has {name} = {_show(was, given)}, and {_show(given, was)} was given.",
        f"A run goes on as it began; only these may change: {', '.join(sorted(CHANGEABLE))}.",
        status=USAGE,
    )


def _show(value: Any, other: Any) -> str:
    if isinstance(value, dict) and isinstance(other, dict):
        if value.get("name") != other.get("name"):
            return str(value["name"])
        return ", ".join(f"{k}={v}" for k, v in value.items() if other.get(k) != v)
    return str(value)


def truncate_logs(run: Run, step: int, log_every: int) -> None:
    """Bring the logs and pictures of ``run`` to where they were after ``step``.

    A line over less than ``log_every`` steps was the end of a training; its steps come again in a whole line.
    """
    for path in (run.losses_file, run.timing_file):
        keep_lines(path, lambda record: record["step"] <= step and record["step"] % log_every == 0)
    # Of the metrics likewise: what is not an epoch's was the end of a training.
    keep_lines(run.metrics_file, lambda r: r["step"] <= step and float(r["epoch"]).is_integer())
    for picture in run.samples:
        if _step_of(picture) > step:
            picture.unlink()
    for left_over in [*run.path.glob(".*.tmp"), *run.path.glob("*/.*.tmp")]:
        left_over.unlink()


def copy_history(source: Run, target: Run) -> None:
    """The logs and pictures of ``source``, for a run that branches off it."""
    for path in (source.losses_file, source.timing_file, source.metrics_file):
        if path.exists():
            shutil.copyfile(path, target.path / path.name)
    for picture in source.samples:
        shutil.copyfile(picture, target.samples_dir / picture.name)


def _step_of(picture: Path) -> int:
    match = re.search(r"step-(\d+)", picture.name)
    return int(match[1]) if match else 0
