"""Messages at the start of a run: its length, its expected time, and what to change if either is unsuitable."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ganctl.config.enough_steps import ENOUGH_STEPS, FEW_IMAGES
from ganctl.recipe import Model
from ganctl.system.pasteable_commands import ganctl_command
from ganctl.system.progress import clock
from ganctl.training.state import Training
from ganctl.training.step_time_estimate import estimate_seconds_per_step

HEAVY = 5.0  # seconds per step: longer steps are reported before the first step
SMALL_DATA_MODEL = "dcgan-small"


def at_start(t: Training) -> list[str]:
    """Return the lines that are printed before the first step."""
    config, n = t.config, len(t.images.x)
    lines = [_length(t)]
    if t.step == 0 and t.total is not None and t.total < ENOUGH_STEPS:
        lines.append(
            f"note: {t.total:,} steps are too few to see anything. {ENOUGH_STEPS:,} usually suffice: "
            f"add --steps {ENOUGH_STEPS}"
        )
    if t.step == 0 and n < FEW_IMAGES and config.augment is None:
        note = f"note: D soon memorizes {n:,} images. Add --augment diffaug"
        if t.images.c is None:  # the model takes no conditions
            words = ("train", "--model", SMALL_DATA_MODEL, "--data", _data(t), "--minutes", "5")
            note += f", or use {SMALL_DATA_MODEL}: {ganctl_command(*words, plugins=t.registry.files)}"
        lines.append(note)
    if t.step == 0 and t.engine.device.type == "cpu":
        with suppress(Exception):  # a loss may call D or G in other ways; an estimate must not end the run
            lines += _heavy(t, estimate_seconds_per_step(t.engine, t.images))
    return lines


def once_measured(t: Training, seconds_per_step: float) -> list[str]:
    """Return the lines that are printed once the time of a step has been measured."""
    minutes = t.config.minutes
    one = f"One step takes {_seconds(seconds_per_step)}"
    if t.total is not None:
        seconds = seconds_per_step * t.total
        limited = minutes is not None and seconds > 60 * minutes
        return [f"{one}, so the run takes about {clock(60 * minutes if minutes and limited else seconds)}."]
    steps = round(60 * (minutes or 0) / seconds_per_step)
    lines = [f"{one}, so the run has about {steps:,} steps."]
    if steps < ENOUGH_STEPS:
        needed = clock(seconds_per_step * ENOUGH_STEPS)
        lines.append(
            f"note: {steps:,} steps are too few to see anything. {ENOUGH_STEPS:,} usually suffice, "
            f"and take about {needed}."
        )
    return lines


def _length(t: Training) -> str:
    config = t.config
    minutes = f"{config.minutes:g} minutes of training" if config.minutes is not None else ""
    if t.total is None:
        return f"Length: {minutes}. The number of steps depends on the speed."
    epochs = f"{config.epochs:,} epochs of {len(t.images.x):,} images, " if config.epochs is not None else ""
    limit = f", at most {minutes}" if minutes else ""
    return f"Length: {epochs}{t.total:,} steps of {t.images_per_step:,} images{limit}."


def _heavy(t: Training, seconds: float) -> list[str]:
    if seconds < HEAVY:
        return []
    text = f"warning: one step takes about {_seconds(seconds)} on this machine"
    if t.total is not None:
        text += f", and the run about {clock(seconds * t.total)}"
    model: Model = t.registry.get("model", t.config.model).load()
    if not model.light:
        return [f"{text}. A smaller --batch-size or --image-size takes less time."]
    return [f"{text}. A smaller version of the model: {_command(t, model)}"]


def _command(t: Training, light: Model) -> str:
    """Return a command that trains the same model on the same data with its light settings."""
    config = t.config
    words: list[str | Path] = ["train", "--model", config.model, "--data", _data(t)]
    if config.image_size is not None:
        words += ["--image-size", str(config.image_size)]
    for name, value in light.light.items():
        words += ["-o", f"{name}={value}"] if "." in name else [f"--{name.replace('_', '-')}", str(value)]
    words += ["--steps", str(max(t.total or 0, ENOUGH_STEPS))]
    return ganctl_command(*words, plugins=t.registry.files)


def _data(t: Training) -> str | Path:
    data = t.config.data
    return Path(data.options["path"]) if data.name == "folder" else data.name


def _seconds(seconds: float) -> str:
    return (
        f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s" if seconds >= 1e-3 else "less than 1 ms"
    )
