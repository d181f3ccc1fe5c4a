"""Resume a run: find the checkpoint and the folder, check the settings, and truncate the logs to the checkpoint."""

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

#: Settings that may change on resume, because the weights do not depend on them. The data may have moved, so pixels
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

#: Values for settings that did not exist when a run was started.
_ABSENT = {"ema_rampup": "none"}


@dataclass(frozen=True)
class Resume:
    """A state to resume in the folder of ``run``, or in a new run with a copy of the logs from ``history``."""

    config: Config
    state: dict[str, Any] | None  # None if the run was stopped before its first checkpoint
    file: Path | None  # file from which ``state`` was read
    run: Run | None
    history: Run | None = None
    damaged: tuple[Path, ...] = ()  # checkpoints newer than ``file`` that cannot be read

    def has_data_of(self, config: Config) -> bool:
        """Return whether the dataset in ``config`` is the checkpoint's dataset and not a different dataset."""
        return self.state is not None and self.state["config"].get("data") == config.to_dict()["data"]


def find(path: Path, registry: Registry, given: Mapping[str, Any], say: Callable[[str], None]) -> Resume:
    """Find the run and the checkpoint of ``--resume path``, and apply the settings in ``given``.

    A run folder is resumed in place from its newest intact checkpoint. The newest checkpoint of a run is also resumed
    in the run's folder. Resuming any other checkpoint starts a new run, so that no results are overwritten.

    Args:
        path: a run folder or a checkpoint file.
        say: called with each warning.

    Raises:
        GanctlError: ``path`` is neither a run folder nor a checkpoint, is damaged, or a setting in ``given`` conflicts
            with the run.
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
    if not (run.config_file.is_file() and run.status_file.is_file()):  # not in a run folder of this version
        return Resume(config, state, path, None)
    if run.checkpoints[-1:] == [real]:
        _check_step(real, state)
        return Resume(config, state, path, run)
    say(f"{path} is not the newest checkpoint of its run, so it is resumed in a new run.")
    return Resume(config, state, path, None, history=run)


def _config(state: dict[str, Any], file: Path, registry: Registry, say: Callable[[str], None]) -> Config:
    """Check that all components are installed and all values are valid, and return the settings in ``state``.

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
    """Return the newest readable checkpoint of ``run``, its state, and the newer checkpoints that are damaged."""
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
    """Raise a GanctlError if the step in a checkpoint's file name differs from the step in its ``state``.

    When the run is resumed, all logs and samples after that step are removed.
    """
    match = CHECKPOINT_NAME.fullmatch(path.name)
    if match and int(match[1]) != state["step"]:
        raise GanctlError(
            f"{path} is the checkpoint of step {state['step']}.",
            "Restore its name, or use another checkpoint of the run.",
            status=CHECKPOINT,
        )


def set_aside_damaged(found: Resume) -> None:
    """Rename damaged checkpoints, because ``sample`` would otherwise use the newest damaged checkpoint."""
    for bad in found.damaged:
        bad.rename(bad.with_suffix(".damaged"))


def _changed(saved: Config, registry: Registry, given: Mapping[str, Any]) -> Config:
    if not given:
        return saved
    if (
        "model" in given and given["model"] != saved.model
    ):  # the components of a different model do not match the weights
        raise _contradiction("model", saved.model, given["model"])
    changed = resolve(registry, saved.to_dict(), given).config
    # The saved config is resolved again, because an update may have added options to a component.
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
    """Restore the logs and samples of ``run`` to their state after ``step``.

    Args:
        last_line: step of the last complete line. A later line covers only the last steps of a session. These steps are
            logged again in a complete line.
        with_metrics: whether metrics are due after ``step``. Otherwise, metrics at ``step`` were computed only because
            the run ended there.
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
    """Copy the logs and samples from ``source`` to ``target``, which continues from a checkpoint of ``source``."""
    for path in (source.losses_file, source.timing_file, source.metrics_file):
        if path.exists():
            shutil.copyfile(path, target.path / path.name)
    for samples in source.samples:
        shutil.copyfile(samples, target.samples_dir / samples.name)


def _step_of(samples: Path) -> int:
    match = SAMPLES_NAME.fullmatch(samples.name)
    return int(match[2]) if match else 0
