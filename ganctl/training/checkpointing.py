"""Save and restore a training run: what a checkpoint contains, and in which order it is restored."""

from __future__ import annotations

from typing import Any

import torch

from ganctl.data.pixels import PixelFormat
from ganctl.dataset import Images
from ganctl.errors import DATA, GanctlError
from ganctl.plugin.registry import Registry
from ganctl.runs import checkpoint
from ganctl.runs.checkpoint_schema import checkpoint_errors
from ganctl.runs.provenance import recorded_components, version_changes
from ganctl.runs.resume import Resume, truncate_logs
from ganctl.system.files import make_durable
from ganctl.training.check_checkpoint import check_data, check_reported_names, check_state
from ganctl.training.devices import rng_state, set_rng_state
from ganctl.training.engine import Engine
from ganctl.training.loss_log import RunLog
from ganctl.training.sample_conditions import stored_conditions
from ganctl.training.setup import condition_shape, count_classes
from ganctl.training.state import Training
from ganctl.version import __version__


def save(t: Training, log: RunLog, *, extra: bool = False) -> None:
    """Save a checkpoint of the last step if all of its values are finite, then remove the oldest beyond ``keep``.

    Args:
        extra: the checkpoint is saved only because time has passed. The next checkpoint replaces it, so that a slow
            machine has the same files in the end as a fast machine.

    Raises:
        GanctlError: training diverged, or the disk is full.
    """
    if t.config.on_nan == "stop" and t.recorder.count and t.recorder.first_bad() is not None:
        log.finish_all()  # raises, after the line that shows the value
    if not t.engine.is_finite():
        log.diverged(f"a weight or the optimizer's state was not finite at step {t.step}")
        return
    for lines in (t.run.losses_file, t.run.timing_file, t.run.metrics_file):
        make_durable(lines)  # a resumed run continues these files at the checkpoint's step
    if not t.run.checkpoints_dir.is_dir():
        t.run.checkpoints_dir.mkdir(parents=True)
        t.reporter.say(f"warning: {t.run.checkpoints_dir} was removed during training; it was recreated.")
    path = t.run.checkpoint_file(t.step)
    checkpoint.save(path, _state(t, log.seconds))
    if t.extra_checkpoint is not None and t.extra_checkpoint != path:
        t.extra_checkpoint.unlink(missing_ok=True)
    t.last_checkpoint, t.extra_checkpoint = path, path if extra else None
    t.trackers.checkpoint(t.step, path)
    if t.config.keep and not extra:
        for old in t.run.checkpoints[: -t.config.keep]:
            old.unlink(missing_ok=True)


def restore(t: Training, state: dict[str, Any]) -> None:
    """Restore everything but the engine, and cut the run's logs back to the step of ``state``."""
    t.recorder.load_state_dict(state["recorder"])
    t.step, t.seconds = state["step"], state["seconds"]
    limit = t.config.minutes
    t.time_is_up = limit is not None and t.seconds >= 60 * limit
    truncate_logs(t.run, t.step, last_line=t.step - t.recorder.count, with_metrics=t.metrics_due)
    set_rng_state(state["rng"], t.engine.device)  # last: nothing may draw random numbers afterwards


def restore_engine(
    engine: Engine,
    resume: Resume,
    registry: Registry,
    images: Images,
    fingerprint: str,
) -> None:
    """Restore networks, loss and optimizers, after checking everything in the checkpoint.

    Raises:
        GanctlError: ``fingerprint`` is not that of the data in the checkpoint, or a part of the checkpoint is not what
            the run would have saved.
    """
    state, config = resume.state, resume.config
    assert state is not None
    if state["data"] != fingerprint:
        raise GanctlError(
            f"The dataset '{config.data.name}' is not the one that this run started with.",
            "Its files have changed. Restore them, or start a new run.",
            status=DATA,
        )
    with checkpoint_errors(resume.file):
        check_data(state, images)
        try:
            check_state(state, engine, config, registry)
        except GanctlError as error:
            changes = version_changes(registry, state, recorded_components(state))
            if not changes:
                raise
            raise GanctlError(
                error.message,
                f"{changes[0][0].upper()}{changes[0][1:]}. Install the earlier version, or start a new run.",
                status=error.status,
            ) from error
        check_reported_names(state, resume.run or resume.history)
        try:
            engine.load_state_dict(state["engine"])
        except Exception as error:  # of a plugin's own load_state_dict
            raise GanctlError(
                f"Its state cannot be loaded ({' '.join(str(error).split()) or type(error).__name__}).",
                "Use another checkpoint of the run.",
            ) from error


def _state(t: Training, seconds: float) -> dict[str, Any]:
    return {
        "ganctl": __version__,
        "torch": str(torch.__version__),
        "step": t.step,
        "seconds": seconds,
        "config": t.config.to_dict(),
        "components": t.origins,
        "image": list(t.images.shape),
        "classes": list(t.images.classes),
        "num_classes": count_classes(t.images),
        "pixels": PixelFormat.of(t.images).to_state(),
        "condition": condition_shape(t.images),
        "conditions": stored_conditions(t.engine.G, t.images, t.config),
        "data": t.fingerprint,
        "engine": t.engine.state_dict(),
        "recorder": t.recorder.state_dict(),
        "rng": rng_state(t.engine.device),
    }
