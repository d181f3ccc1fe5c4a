"""Schedules: learning rates, coefficients of a loss, or the half-life of the average as functions of the step.

The warm-up of the average is a schedule, too: the half-life is at most ``ema_rampup`` times the images that G has been
trained with, as in StyleGAN2 (Karras et al. 2020, arXiv:1912.04958) and EDM2 (Karras et al. 2024, arXiv:2312.02696).
Without it, G_ema contains the first, untrained weights for a long time.

A schedule is text with one or more phases. Each phase starts at the value where the previous phase ends::

    linear 0                          linearly to 0 over the remaining steps
    cosine 1e-5 over 20000            along half a cosine to 1e-5 over 20,000 steps, then constant
    constant over 100kimg, linear 0   constant until D has seen 100,000 images, then linearly to 0
    warmup 500, cosine 0              linearly from 0 over 500 steps, then along half a cosine to 0

Values depend only on the step, so a resumed run has exactly the same values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

from ganctl.errors import USAGE, GanctlError, did_you_mean
from ganctl.training import optimizers
from ganctl.training.engine import Engine

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
PHASE = re.compile(
    rf"(?:(?P<shape>linear|cosine)\s+(?P<end>{NUMBER})|(?P<constant>constant)|(?P<warmup>warmup)(?=\s+\d))"
    rf"(?:\s+(?:over\s+)?(?P<length>{NUMBER})\s*(?P<unit>kimg)?)?"
)
LEARNING_RATES = ("g_optimizer.lr", "d_optimizer.lr")
OF_OPTIMIZERS = (
    *LEARNING_RATES,
    *(f"{part}.beta{n}" for part in ("g_optimizer", "d_optimizer") for n in (1, 2)),
)
KEEPS_LR_ON_DEVICE = ("cpu", "cuda")  # replays only see changes of a tensor


class Phase(NamedTuple):
    shape: str  # constant, linear, cosine or warmup
    end: float  # value at the end of the phase; not used by constant and warmup
    length: float | None  # in images that D sees; None: until the last step


def parse(text: str, *, per_step: int) -> list[Phase]:
    """Return the phases of ``text``.

    Args:
        per_step: number of images per step, to convert lengths in steps.

    Raises:
        GanctlError: ``text`` is not a schedule.
    """
    phases = []
    for part in text.split(","):
        match = PHASE.fullmatch(part.strip())
        if not match:
            raise GanctlError(
                f"'{text}' is not a schedule: '{part.strip()}' is not a phase.",
                "Examples: linear 0 · cosine 1e-5 over 20000 · constant over 100kimg, linear 0 · warmup 500, cosine 0",
                status=USAGE,
            )
        length = None
        if match["length"]:
            length = float(match["length"]) * (1000 if match["unit"] else per_step)
        shape = match["shape"] or match["constant"] or match["warmup"]
        phases.append(Phase(shape, float(match["end"] or 0), length))
    if any(phase.length is None for phase in phases[:-1]):
        raise GanctlError(
            f"'{text}' is not a schedule: only the last phase can omit its length.",
            "Add a length, for example: constant over 1000, linear 0",
            status=USAGE,
        )
    return phases


def check_lengths(texts: Mapping[str, str], total_steps: int | None) -> None:
    """Check that every schedule can be evaluated in a run of ``total_steps`` steps; None: unknown.

    Raises:
        GanctlError: a text is not a schedule, or its last phase ends with a run of unknown length.
    """
    for target, text in texts.items():
        last = parse(text, per_step=1)[-1]
        if total_steps is None and last.shape in ("linear", "cosine") and last.length is None:
            raise GanctlError(
                f"The schedule of {target}, '{text}', ends with the run, so it needs a length in steps.",
                "Add --steps N or --epochs N to --minutes, or give the schedule a length: "
                f"-o 'schedules.{target}={text} over 10000'",
                status=USAGE,
            )


def value_at(phases: list[Phase], base: float, images: float, total: float) -> float:
    """Return the value when D has seen ``images`` of ``total`` images.

    Args:
        base: value of the setting without a schedule.
    """
    start, phase_start = base, 0.0
    for phase in phases:
        length = total - phase_start if phase.length is None else phase.length
        end = {"constant": start, "warmup": base}.get(phase.shape, phase.end)
        if phase.shape == "warmup":
            start = 0.0
        if images < phase_start + length:
            progress = (images - phase_start) / length
            if phase.shape == "cosine":
                progress = (1 - math.cos(math.pi * progress)) / 2
            return start + (end - start) * (progress if phase.shape != "constant" else 0.0)
        start, phase_start = end, phase_start + length
    return start


class Schedules:
    """All schedules of a run, applied to its engine before each step.

    Args:
        texts: schedules by target. Targets are ``ema``; ``lr``, ``beta1`` and ``beta2`` of ``g_optimizer`` and
            ``d_optimizer``; and ``PART.NAME`` for a scalar buffer NAME of the loss, of a regularizer (by its name), of
            the generator, the discriminator or the augmentation.
        total_steps: length of the run; None if only its time is limited.
        ema_rampup: largest half-life of the average, as a share of the images that G has been trained with; None:
            no warm-up.

    Raises:
        GanctlError: A text is not a schedule, a target does not exist, or a phase needs the length of the run and
            ``total_steps`` is None.
    """

    def __init__(
        self,
        texts: Mapping[str, str],
        engine: Engine,
        *,
        total_steps: int | None,
        ema_rampup: float | None = None,
    ) -> None:
        self._engine, self._per_step = engine, engine.images_per_step
        self._total = math.inf if total_steps is None else total_steps * self._per_step
        self._phases = {target: parse(text, per_step=self._per_step) for target, text in texts.items()}
        check_lengths(texts, total_steps)
        self._ema, self._ema_rampup = engine.ema, ema_rampup
        self._buffers = _scalar_buffers(engine)
        self._base = {target: self._read(target) for target in texts}
        if engine.device.type in KEEPS_LR_ON_DEVICE:
            for target in texts:
                if target in LEARNING_RATES:
                    optimizers.put_lr_on(engine.device, self._optimizer(target))

    def apply(self, step: int) -> None:
        """Set every scheduled value for the step after the first ``step`` steps."""
        for target, phases in self._phases.items():
            self._write(target, value_at(phases, self._base[target], step * self._per_step, self._total))
        if self._ema is not None and self._ema_rampup is not None:
            half_life = self._engine.ema if "ema" in self._phases else self._ema
            warming_up = self._ema_rampup * step * self._engine.batch_size
            self._write("ema", min(half_life or 0.0, warming_up))

    def on_the_host(self) -> list[str]:
        """Return the targets whose values are not tensors. A graph would repeat the value that it was captured with."""
        return [
            target
            for target in self._phases
            if target in OF_OPTIMIZERS
            and not all(
                isinstance(_read_group(group, target), torch.Tensor)
                for group in self._optimizer(target).param_groups
            )
        ]

    def _optimizer(self, target: str) -> torch.optim.Optimizer:
        optimizer: torch.optim.Optimizer = getattr(self._engine, target.partition(".")[0])
        return optimizer

    def _read(self, target: str) -> float:
        if target == "ema":
            if self._engine.ema is None:
                raise GanctlError(
                    "ema has a schedule, but G is not averaged.", "Add --ema IMAGES.", status=USAGE
                )
            return self._engine.ema
        if target in OF_OPTIMIZERS:
            group = self._optimizer(target).param_groups[0]
            if (value := _read_group(group, target)) is not None:
                return float(value) / (group.get("lr_scale", 1.0) if target in LEARNING_RATES else 1.0)
        elif target in self._buffers:
            return float(self._buffers[target])
        raise GanctlError(
            f"There is no value '{target}' to schedule.",
            did_you_mean(target, ["lr", "ema", *OF_OPTIMIZERS, *self._buffers]),
            status=USAGE,
        )

    def _write(self, target: str, value: float) -> None:
        if target == "ema":
            self._engine.ema = value
        elif target in OF_OPTIMIZERS:
            for group in self._optimizer(target).param_groups:
                _write_group(group, target, value)
        else:
            self._buffers[target].fill_(value)


def _scalar_buffers(engine: Engine) -> dict[str, torch.Tensor]:
    """Return the scalar buffers that can be scheduled, by target."""
    parts: dict[str, torch.nn.Module | None] = {
        "loss": engine.loss,
        **engine.regularizers,
        "generator": engine.G,
        "discriminator": engine.D,
        "augment": engine.augment,
    }
    return {
        f"{part}.{name}": buffer
        for part, module in parts.items()
        if module is not None
        for name, buffer in module.named_buffers()
        if buffer.ndim == 0 and buffer.is_floating_point()
    }


def _read_group(group: dict[str, Any], target: str) -> Any:
    """Return the scheduled value of a parameter group, or None if the optimizer has no such value."""
    name = target.partition(".")[2]
    if name == "lr":
        return group.get("lr")
    betas, index = group.get("betas", ()), int(name.removeprefix("beta")) - 1
    return betas[index] if index < len(betas) else None


def _write_group(group: dict[str, Any], target: str, value: float) -> None:
    name = target.partition(".")[2]
    if name != "lr":
        betas = list(group["betas"])
        betas[int(name.removeprefix("beta")) - 1] = value
        group["betas"] = tuple(betas)
    elif isinstance(group["lr"], torch.Tensor):
        group["lr"].fill_(value * group.get("lr_scale", 1.0))
    else:
        group["lr"] = value * group.get("lr_scale", 1.0)
