"""Values that change while training: learning rates, a loss's coefficients, the average's half-life.

A schedule is written as text, one or more phases of which each begins where the one before ends::

    linear 0                          to 0 in a straight line, over what is left of the training
    cosine 1e-5 over 20000            to 1e-5 along half a cosine, over 20,000 steps, then constant
    constant over 100kimg, linear 0   as it is until D has seen 100,000 images, then down to 0
    warmup 500, cosine 0              from 0 up over 500 steps, then down

Values depend on the step alone, so a run that goes on has them exactly.
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
KEEPS_LR_ON_DEVICE = ("cpu", "cuda")  # where a graph may be replayed, which reads it anew only from a tensor


class Phase(NamedTuple):
    shape: str  # constant, linear, cosine or warmup
    end: float  # the value that it leads to; unused by constant and warmup
    length: float | None  # in images that D has seen; None: what is left of the training


def parse(text: str, *, per_step: int) -> list[Phase]:
    """The phases of ``text``. Lengths are in steps of ``per_step`` images, or in kimg.

    Raises:
        GanctlError: it is not written as above.
    """
    phases = []
    for part in text.split(","):
        match = PHASE.fullmatch(part.strip())
        if not match:
            raise GanctlError(
                f"'{text}' is not a schedule: '{part.strip()}' cannot be read.",
                "As in: linear 0 · cosine 1e-5 over 20000 · constant over 100kimg, linear 0 · warmup 500, cosine 0",
                status=USAGE,
            )
        length = None
        if match["length"]:
            length = float(match["length"]) * (1000 if match["unit"] else per_step)
        shape = match["shape"] or match["constant"] or match["warmup"]
        phases.append(Phase(shape, float(match["end"] or 0), length))
    if any(phase.length is None for phase in phases[:-1]):
        raise GanctlError(
            f"'{text}' is not a schedule: only the last phase may go without a length.",
            "As in: constant over 1000, linear 0",
            status=USAGE,
        )
    return phases


def value_at(phases: list[Phase], base: float, images: float, total: float) -> float:
    """The value when D has seen ``images`` of ``total``, for a setting of ``base``."""
    start, begun = base, 0.0
    for phase in phases:
        length = total - begun if phase.length is None else phase.length
        end = {"constant": start, "warmup": base}.get(phase.shape, phase.end)
        if phase.shape == "warmup":
            start = 0.0
        if images < begun + length:
            progress = (images - begun) / length
            if phase.shape == "cosine":
                progress = (1 - math.cos(math.pi * progress)) / 2
            return start + (end - start) * (progress if phase.shape != "constant" else 0.0)
        start, begun = end, begun + length
    return start


class Schedules:
    """The schedules of a training, applied to its engine before each step.

    Args:
        texts: target → schedule; targets are ``g_optimizer.lr``, ``d_optimizer.lr``, ``ema`` and ``loss.NAME``
            for a coefficient that the loss keeps as a buffer of that name.

    Raises:
        GanctlError: a text that is no schedule, or a target that there is not.
    """

    def __init__(self, texts: Mapping[str, str], engine: Engine, *, total_steps: int) -> None:
        self._engine, self._per_step = engine, engine.images_per_step
        self._total = total_steps * self._per_step
        self._phases = {target: parse(text, per_step=self._per_step) for target, text in texts.items()}
        self._base = {target: self._read(target) for target in texts}
        if engine.device.type in KEEPS_LR_ON_DEVICE:
            for target in texts:
                if target in LEARNING_RATES:
                    optimizers.put_lr_on(engine.device, self._optimizer(target))

    def apply(self, step: int) -> None:
        """Set every scheduled value for the step that follows ``step`` steps."""
        for target, phases in self._phases.items():
            self._write(target, value_at(phases, self._base[target], step * self._per_step, self._total))

    def on_the_host(self) -> list[str]:
        """Scheduled values that are no tensors: a CUDA graph would keep the one that it was captured with."""
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
                    "There is a schedule for ema, but no average.", "Add --ema IMAGES.", status=USAGE
                )
            return self._engine.ema
        buffers = dict(self._engine.loss.named_buffers())
        if part == "loss" and name in buffers and buffers[name].ndim == 0:
            return float(buffers[name])
        there_are = [f"loss.{name}" for name, buffer in buffers.items() if buffer.ndim == 0]
        raise GanctlError(
            f"There is nothing to schedule called '{target}'.",
            did_you_mean(target, ["lr", "g_optimizer.lr", "d_optimizer.lr", "ema", *there_are]),
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
