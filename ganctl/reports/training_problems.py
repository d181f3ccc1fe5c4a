"""Detect problems in a run, such as divergence, mode collapse, or a discriminator that wins.

docs/reports.md describes the thresholds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ganctl.config.enough_steps import ENOUGH_STEPS
from ganctl.rendering.split_grid import COLLAPSED
from ganctl.reports.samples_over_epochs import SampleSeries
from ganctl.runs.read_run import History
from ganctl.runs.resume_command import resume_command

Level = Literal["bad", "warn", "info", "good"]
LEVELS: tuple[Level, ...] = ("bad", "warn", "info", "good")  # from worst to best

FAKE_REJECTED = 0.01  # D wins if D(G(z)) is below this value
REAL_ACCEPTED = 0.9  # and D(x) is above this value
INDISTINGUISHABLE = 0.02  # D cannot distinguish reals and fakes if D(x) and D(G(z)) differ by less
MIN_SHARE = 0.1  # minimum fraction of the lines for which a condition must hold
MIN_STEPS = 100  # minimum number of steps for which D must win
UNIFORM = 0.4  # samples with a smaller fraction of the real images' contrast are not images yet
GROWTH = 100.0  # outputs of D grow without bound if they exceed their initial size by this factor
LARGE = 1000.0  # and are larger than this value
NOTHING_UNUSUAL = "There is nothing unusual in the curves and samples."


@dataclass(frozen=True)
class Finding:
    """One finding about a run. Levels: ``bad`` (the run is unusable), ``warn`` (check the run), ``info``, ``good``.

    Attributes:
        kind: a short description that findings of the same kind share.
        advice: a sentence about what to try; empty if there is nothing to do.
    """

    level: Level
    text: str
    kind: str = ""
    advice: str = ""


def detect(history: History, series: SampleSeries | None = None) -> list[Finding]:
    """Return the findings about a run, with the worst first. The list is never empty."""
    found = [*_state(history), *_losses(history), *_samples(series), *_length(history)]
    if not any(finding.level in ("bad", "warn") for finding in found):
        if history.losses:
            found.append(Finding("good", NOTHING_UNUSUAL))
        elif not found:
            found.append(Finding("info", "There are no curves yet."))
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))


def has_probabilities(history: History) -> bool:
    """Return True if the outputs of D are probabilities or have 0 and 1 as targets. Other outputs leave [0, 1]."""
    outputs = [v for name in ("D(x)", "D(G(z))") for v in history.column(name) if math.isfinite(v)]
    loss = history.config.get("loss")
    name = str(loss.get("name", "")) if isinstance(loss, dict) else ""
    return bool(outputs) and "wgan" not in name and all(0 <= v <= 1 for v in outputs)


def _length(h: History) -> list[Finding]:
    if h.state != "finished" or not 0 < h.step < ENOUGH_STEPS:
        return []
    text = f"The run has {h.step:,} steps. Samples usually become recognizable within {ENOUGH_STEPS:,} steps."
    advice = f"To train longer: {resume_command(h.path)} --steps {ENOUGH_STEPS}"
    return [Finding("info", text, "Few steps", advice)]


def _state(h: History) -> list[Finding]:
    of_total = f" of {h.total:,}" if h.total else ""
    at = f"step {h.step:,}{of_total}"
    note = f" {h.note}" if h.note else ""
    if h.state == "diverged":
        text = h.note or f"The run diverged at {at}."
        return [Finding("bad", text, "Training diverged", "Try a lower --lr.")]
    if h.state == "failed":
        return [Finding("bad", f"The run failed at {at}{':' if note else '.'}{note}", "Failed")]
    if h.state == "killed":
        text = f"The run was killed at {at}. It can be resumed from its last checkpoint."
        return [Finding("warn", text, "Killed", _resume(h))]
    if h.state == "stopped":
        return [Finding("warn", f"The run was stopped at {at} and can be resumed.", "Stopped", _resume(h))]
    if h.state == "waiting":
        return [Finding("info", f"The run has not started yet.{note}", "Not started")]
    if h.state == "running":
        return [Finding("info", f"The run is at {at}.", "Running")]
    return [Finding("warn", h.note)] if h.note else []


def _losses(h: History) -> list[Finding]:
    found = []
    bad = next((r for r in h.losses if any(_not_finite(v) for v in r.values())), None)
    if bad is not None and h.state != "diverged":
        names = ", ".join(name for name, value in bad.items() if _not_finite(value))
        text = f"Values are not finite from step {bad['step']:,}: {names}."
        found.append(Finding("bad", text, "Values are not finite", "Try a lower --lr."))
    steps, real, fake = [r["step"] for r in h.losses], h.column("D(x)"), h.column("D(G(z))")
    if has_probabilities(h):
        wins = [f < FAKE_REJECTED and r > REAL_ACCEPTED for r, f in zip(real, fake, strict=True)]
        found += _discriminator_wins(steps, wins)
        equal = [abs(r - f) < INDISTINGUISHABLE for r, f in zip(real, fake, strict=True)]
        start = _trailing_start(equal)
        if len(steps) - start >= max(5, MIN_SHARE * len(steps)) and not wins[-1]:
            mean = sum(real[start:]) / len(real[start:])
            since = _since(steps, start)
            text = f"D cannot distinguish fakes from reals {since}: its mean output is {mean:.2f} for both."
            advice = "If the samples are good, training has reached its goal."
            found.append(Finding("info", text, "D cannot distinguish fakes from reals", advice))
        return found
    for name, values in (("D(x)", real), ("D(G(z))", fake)):
        growth = _growth(values)
        if growth:
            text = f"The outputs of D grow without bound: {name} grew from about {growth[0]:,.3g} to {growth[1]:,.3g}."
            advice = "Try a loss with a gradient penalty, such as --loss wgan-gp, or a lower --lr."
            return [*found, Finding("bad", text, "The outputs of D grow without bound", advice)]
    return found


def _discriminator_wins(steps: Sequence[int], wins: Sequence[bool]) -> list[Finding]:
    start = _trailing_start(wins)
    since = _steps_before(steps, start)
    if len(steps) - start >= max(3, MIN_SHARE * len(steps)) and steps[-1] - since >= MIN_STEPS:
        text = f"D wins {_since(steps, start)}: D(G(z)) stays below {FAKE_REJECTED:g}."
        advice = "Try --augment diffaug, a lower --d-lr, or a smaller -o discriminator.width."
        return [Finding("bad", text, "D wins", advice)]
    first, length = _longest(wins)
    if (
        length >= max(5, MIN_SHARE * len(steps))
        and steps[first + length - 1] - _steps_before(steps, first) >= MIN_STEPS
    ):
        last = steps[first + length - 1]
        text = (
            f"D was far ahead from step {steps[first]:,} to step {last:,}: D(G(z)) was below {FAKE_REJECTED:g}. "
            "G recovered."
        )
        return [Finding("warn", text, "D was far ahead for a while, and G recovered")]
    return []


def _samples(series: SampleSeries | None) -> list[Finding]:
    if series is None or not series.frames or series.frames[-1].step < ENOUGH_STEPS:
        return []
    where = _epoch_or_step(series, len(series.frames) - 1)
    if series.blank[-1]:
        return [Finding("bad", f"The samples at {where} are blank.", "Blank samples", "Try a lower --lr.")]
    contrast = series.contrast[-1]
    if contrast is not None and contrast < UNIFORM:
        text = f"The samples at {where} are not images yet: they have {contrast:.0%} of the contrast of real images."
        return [Finding("info", text, "The samples are not images yet", "Train longer.")]
    last = series.distinct[-1]
    if last is None or last[0] >= COLLAPSED * last[1]:
        return []
    collapsed = [count is not None and count[0] < COLLAPSED * count[1] for count in series.distinct]
    start = _trailing_start(collapsed)
    before = max((count[0] for count in series.distinct[:start] if count is not None), default=0)
    advice = "Try --loss hinge, another --seed or, if the dataset is small, --augment diffaug."
    text = f"of the {last[1]} samples at {where}, only about {last[0]} {'is' if last[0] == 1 else 'are'} distinct"
    if start > 0 and before:
        since = _epoch_or_step(series, start)
        sentence = f"Mode collapse since {since}: {text}. Before that, {before} were distinct."
        return [Finding("bad", sentence, "Mode collapse", advice)]
    sentence = f"Mode collapse, or too few steps: {text}. The number was never much higher before."
    return [Finding("warn", sentence, "Mode collapse, or too few steps", advice)]


def _resume(h: History) -> str:
    return f"To resume it: {resume_command(h.path)}"


def _steps_before(steps: Sequence[int], index: int) -> int:
    """Return the step of the line before line ``index``, or 0 for the first line."""
    return steps[index - 1] if index else 0


def _epoch_or_step(series: SampleSeries, index: int) -> str:
    frame = series.frames[index]
    return f"epoch {frame.epoch:g}" if frame.epoch == int(frame.epoch) else f"step {frame.step:,}"


def _since(steps: Sequence[int], start: int) -> str:
    return f"since step {steps[start]:,}" if start else "from the beginning"


def _trailing_start(flags: Sequence[bool]) -> int:
    """Return the index at which the trailing run of True begins, or the length if the last flag is False."""
    start = len(flags)
    while start and flags[start - 1]:
        start -= 1
    return start


def _longest(flags: Sequence[bool]) -> tuple[int, int]:
    """Return the first index and the length of the longest run of True."""
    best, start = (0, 0), 0
    for i, flag in enumerate([*flags, False]):
        if not flag:
            best, start = max(best, (start, i - start), key=lambda series: series[1]), i + 1
    return best


def _growth(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the median absolute values of the first and last tenth of ``values`` if they grew without bound."""
    sizes = [abs(v) for v in values if math.isfinite(v)]
    if len(sizes) < 10:
        return None
    part = max(1, len(sizes) // 10)
    first, last = sorted(sizes[:part])[part // 2], sorted(sizes[-part:])[part // 2]
    return (first, last) if last > LARGE and last > GROWTH * first else None


def _not_finite(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
