"""Resume a run: find the checkpoint and the folder, check the settings, and cut the logs back to the checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganctl.config.resolve import resolve
from ganctl.config.settings import Config
from ganctl.errors import CHECKPOINT, USAGE, GanctlError
from ganctl.plugin import single_file
from ganctl.plugin.registry import Registry
from ganctl.runs import checkpoint
from ganctl.runs.checkpoint_schema import checkpoint_errors
from ganctl.runs.folder import CHECKPOINT_NAME, SAMPLES_NAME, Run
from ganctl.runs.provenance import check_origin, config_of, recorded_components, version_changes
from ganctl.system.files import TEMPORARY_NAME
from ganctl.system.jsonl import filter_lines
from ganctl.system.pasteable_commands import ganctl_command

#: Settings that may change on resume, because the weights do not depend on them. The data may have moved; its pixels
#: are compared.
CHANGEABLE = {
    "epochs",
    "steps",
    "minutes",
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

#: Values of settings in the config of a run that was started before the settings existed.
_ABSENT = {"ema_rampup": "none"}


@dataclass(frozen=True)
class Resume:
    """A state to resume in the folder of ``run``, or in a new run with a copy of the logs of ``history``."""

    config: Config
    state: dict[str, Any] | None  # None if the run was stopped before its first checkpoint
    file: Path | None  # that ``state`` was read from
    run: Run | None
    history: Run | None = None
    damaged: tuple[Path, ...] = ()  # checkpoints newer than ``file`` that cannot be read

    def has_data_of(self, config: Config) -> bool:
        """Return whether the checkpoint has the dataset of ``config``, which means that the user gave no other one."""
        return self.state is not None and self.state["config"].get("data") == config.to_dict()["data"]


def find(path: Path, registry: Registry, given: Mapping[str, Any], say: Callable[[str], None]) -> Resume:
    """Find the run and the checkpoint of ``--resume path``, and apply the settings in ``given``.

    A run folder is resumed from its newest intact checkpoint, in the same folder. The newest checkpoint of a run is
    also resumed in the folder of the run. Any other checkpoint starts a new run, so that no results are overwritten.

    Args:
        path: a run folder or a checkpoint file.
        say: called with each warning.

    Raises:
        GanctlError: ``path`` is neither, is damaged, or a setting in ``given`` contradicts the run.
    """
    if path.is_dir():
        run = Run.open(path)
        with run.lock():  # another process may be adding and removing checkpoints
            file, state, damaged = _newest_good(run, say, registry.files)
        if state and file:
            saved = _config(state, file, registry, say)
        else:
            saved, warnings = resolve(registry, {**_ABSENT, **run.config})
            for warning in warnings:
                say(f"warning: {warning}")
        return Resume(_changed(saved, registry, given), state, file, run, damaged=damaged)
    state = checkpoint.load(path)
    config = _changed(_config(state, path, registry, say), registry, given)
    real = path.resolve()
    run = Run(real.parent.parent)
    if not (run.config_file.is_file() and run.status_file.is_file()):  # not in a run folder of this ganctl
        return Resume(config, state, path, None)
    if run.checkpoints[-1:] == [real]:
        _check_step(real, state)
        return Resume(config, state, path, run)
    say(f"{path} is not the newest checkpoint of its run, so it is resumed in a new run.")
    return Resume(config, state, path, None, history=run)


def _config(state: dict[str, Any], file: Path, registry: Registry, say: Callable[[str], None]) -> Config:
    """Return the settings in ``state``, after checking that all components are installed and all values are valid.

    ``say`` is called with a warning for each distribution whose version has changed.
    """
    saved = config_of(registry, state)
    single_file.check_recorded(registry, saved.plugins, exact=True)
    for setting in recorded_components(state):
        check_origin(registry, state, setting)
    for line in version_changes(registry, state, recorded_components(state)):
        say(f"warning: {line}, so the run may not continue exactly.")
    with checkpoint_errors(file):
        resolve(registry, saved.to_dict())
    return saved


def _newest_good(
    run: Run, say: Callable[[str], None], plugins: Iterable[str]
) -> tuple[Path | None, dict[str, Any] | None, tuple[Path, ...]]:
    """Return the newest checkpoint of ``run`` that can be read, its state, and the newer ones that cannot."""
    damaged: list[Path] = []
    for path in reversed(run.checkpoints):
        try:
            state = checkpoint.load(path)
            _check_step(path, state)
        except GanctlError as error:
            say(f"warning: {error.message}")
            damaged.append(path)
            continue
        return path, state, tuple(damaged)
    if damaged:
        raise GanctlError(
            f"No checkpoint in {run.path} can be read.",
            "Train again with its settings: "
            + ganctl_command("train", "--config", run.config_file, plugins=plugins),
            status=CHECKPOINT,
        )
    return None, None, ()


def _check_step(path: Path, state: dict[str, Any]) -> None:
    """Raise a GanctlError if the step in the name of a checkpoint of a run is not that of its ``state``.

    The logs and samples of the run after that step are removed when the run is resumed.
    """
    match = CHECKPOINT_NAME.fullmatch(path.name)
    if match and int(match[1]) != state["step"]:
        raise GanctlError(
            f"{path} is the checkpoint of step {state['step']}.",
            "Restore its name, or use another checkpoint of the run.",
            status=CHECKPOINT,
        )


def set_aside_damaged(found: Resume) -> None:
    """Rename the damaged checkpoints, because ``sample`` would otherwise use the newest of them."""
    for bad in found.damaged:
        bad.rename(bad.with_suffix(".damaged"))


def _changed(saved: Config, registry: Registry, given: Mapping[str, Any]) -> Config:
    if not given:
        return saved
    if (
        "model" in given and given["model"] != saved.model
    ):  # the components of another model do not fit the weights
        raise _contradiction("model", saved.model, given["model"])
    changed = resolve(registry, saved.to_dict(), given).config
    # The saved config is resolved again, since a component may have gained an option in the meantime.
    before, after = resolve(registry, saved.to_dict()).config.to_dict(), changed.to_dict()
    for name in before:
        if before[name] != after[name] and name not in CHANGEABLE:
            raise _contradiction(name, before[name], after[name])
    return changed


def _contradiction(name: str, was: Any, given: Any) -> GanctlError:
    return GanctlError(
        f"The run has {name} = {_show(was, given)}, but {_show(given, was)} was given.",
        f"Only these settings may change on resume: {', '.join(sorted(CHANGEABLE))}.",
        status=USAGE,
    )


def _show(value: Any, other: Any) -> str:
    if isinstance(value, dict) and isinstance(other, dict):
        if value.get("name") != other.get("name"):
            return str(value["name"])
        return ", ".join(f"{k}={v}" for k, v in value.items() if other.get(k) != v)
    return str(value)


def truncate_logs(run: Run, step: int, *, last_line: int, with_metrics: bool) -> None:
    """Cut the logs and samples of ``run`` back to their state after ``step``.

    Args:
        last_line: step of the last whole line. A later line covers the last steps of a session; its steps are logged
            again in a whole line.
        with_metrics: whether metrics are due after ``step``. Otherwise, metrics of ``step`` were computed because the
            run ended there.
    """
    for path in (run.losses_file, run.timing_file):
        filter_lines(path, lambda record: _is_step(record, last_line))
    filter_lines(run.metrics_file, lambda record: _is_step(record, step if with_metrics else step - 1))
    for samples in run.samples:
        if _step_of(samples) > step:
            samples.unlink()
    for folder in (run.path, run.samples_dir, run.checkpoints_dir):
        for path in folder.iterdir() if folder.is_dir() else ():
            if TEMPORARY_NAME.fullmatch(path.name):
                path.unlink(missing_ok=True)


def _is_step(record: dict[str, Any], last: int) -> bool:
    step = record.get("step")
    return isinstance(step, int) and step <= last


def copy_history(source: Run, target: Run) -> None:
    """Copy the logs and samples of ``source`` to ``target``, which branches off it."""
    for path in (source.losses_file, source.timing_file, source.metrics_file):
        if path.exists():
            shutil.copyfile(path, target.path / path.name)
    for samples in source.samples:
        shutil.copyfile(samples, target.samples_dir / samples.name)


def _step_of(samples: Path) -> int:
    match = SAMPLES_NAME.fullmatch(samples.name)
    return int(match[2]) if match else 0
