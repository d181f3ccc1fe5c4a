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
from typing import NamedTuple

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
        texts: schedules by target. Targets are ``g_optimizer.lr``, ``d_optimizer.lr``, ``ema``, and ``loss.NAME`` for
            a coefficient that the loss registers as a buffer NAME.
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
        if total_steps is None:
            for target, text in texts.items():
                _check_has_length(target, text, self._phases[target])
        self._ema, self._ema_rampup = engine.ema, ema_rampup
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
            if target in LEARNING_RATES
            and not all(isinstance(g["lr"], torch.Tensor) for g in self._optimizer(target).param_groups)
        ]

    def _optimizer(self, target: str) -> torch.optim.Optimizer:
        optimizer: torch.optim.Optimizer = getattr(self._engine, target.partition(".")[0])
        return optimizer

    def _read(self, target: str) -> float:
        part, _, name = target.partition(".")
        if target in LEARNING_RATES:
            return float(self._optimizer(target).param_groups[0]["lr"])
        if target == "ema":
            if self._engine.ema is None:
                raise GanctlError(
                    "ema has a schedule, but G is not averaged.", "Add --ema IMAGES.", status=USAGE
                )
            return self._engine.ema
        buffers = dict(self._engine.loss.named_buffers())
        if part == "loss" and name in buffers and buffers[name].ndim == 0:
            return float(buffers[name])
        coefficients = [f"loss.{name}" for name, buffer in buffers.items() if buffer.ndim == 0]
        raise GanctlError(
            f"There is no value '{target}' to schedule.",
            did_you_mean(target, ["lr", "g_optimizer.lr", "d_optimizer.lr", "ema", *coefficients]),
            status=USAGE,
        )

    def _write(self, target: str, value: float) -> None:
        part, _, name = target.partition(".")
        if target == "ema":
            self._engine.ema = value
        elif part == "loss":
            self._engine.loss.get_buffer(name).fill_(value)
        else:
            for group in self._optimizer(target).param_groups:
                if isinstance(group["lr"], torch.Tensor):
                    group["lr"].fill_(value)
                else:
                    group["lr"] = value


def _check_has_length(target: str, text: str, phases: list[Phase]) -> None:
    last = phases[-1]
    if last.shape in ("linear", "cosine") and last.length is None:
        raise GanctlError(
            f"The schedule of {target}, '{text}', covers the whole run, so it needs a length in steps.",
            "Add --steps N or --epochs N to --minutes, or give the schedule a length, such as "
            f"-o 'schedules.{target}={text} over 10000'",
            status=USAGE,
        )
