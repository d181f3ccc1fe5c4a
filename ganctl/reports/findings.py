"""What stands out in a run, in words: collapse, divergence, a discriminator that won.

The thresholds stand in docs/reports.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ganctl.rendering.grid_images import COLLAPSED
from ganctl.reports.frames import Film
from ganctl.runs.history import History
from ganctl.system.progress import clock

WON = 0.01  # D(G(z)) that stays below this: D won
SURE = 0.9  # while D(x) is above this
LEVEL = 0.02  # D(x) and D(G(z)) nearer than this: D cannot tell them apart
ENDING = 0.1  # the share of the lines that something must last to be said
RUNAWAY = 100.0  # D's answers so many times as large as at the beginning
LARGE = 1000.0  # and above this


@dataclass(frozen=True)
class Finding:
    """A sentence. ``level``: bad (the run is spoilt), warn (look at it), info, good."""

    level: Literal["bad", "warn", "info", "good"]
    text: str


def of(history: History, film: Film | None = None) -> list[Finding]:
    """What stands out in ``history``, the worst first; at least one finding."""
    found = [*_status(history), *_losses(history), *_pictures(film)]
    if not any(finding.level in ("bad", "warn") for finding in found):
        if history.losses:
            found.append(Finding("good", "Nothing unusual in the curves and pictures."))
        elif not found:
            found.append(Finding("info", "There are no curves to look at."))
    order = ("bad", "warn", "info", "good")
    return sorted(found, key=lambda finding: order.index(finding.level))


def is_probability(history: History) -> bool:
    """Whether D's answers are probabilities, or are meant to be 0 and 1: others leave [0, 1] at once."""
    answers = [v for name in ("D(x)", "D(G(z))") for v in history.column(name) if math.isfinite(v)]
    loss = history.config.get("loss")
    name = str(loss.get("name", "")) if isinstance(loss, dict) else ""
    return bool(answers) and "wgan" not in name and all(0 <= v <= 1 for v in answers)


def _status(h: History) -> list[Finding]:
    of_total = f" of {h.total:,}" if h.total else ""
    at = f"step {h.step:,}{of_total}"
    if h.state == "diverged":
        return [Finding("bad", f"{h.note.rstrip('.')}. It stopped there.")]
    if h.state == "failed":
        return [Finding("bad", f"It failed at {at}: {h.note}")]
    if h.state == "killed":
        return [Finding("warn", f"It broke off at {at} without a word, as a kill or a power cut does.")]
    if h.state == "stopped":
        return [Finding("warn", f"It was stopped at {at}, and can go on.")]
    if h.state == "waiting":
        return [Finding("info", "It has not begun yet.")]
    if h.state == "running":
        return [Finding("info", f"It is running: {at}.")]
    return [Finding("warn", h.note)] if h.note else []


def _losses(h: History) -> list[Finding]:
    found = []
    bad = next((r for r in h.losses if any(_not_finite(v) for v in r.values())), None)
    if bad is not None and h.state != "diverged":
        found.append(Finding("bad", f"Not finite from step {bad['step']:,} on: {_names(bad)}."))
    steps, real, fake = [r["step"] for r in h.losses], h.column("D(x)"), h.column("D(G(z))")
    if is_probability(h):
        won = [f < WON and r > SURE for r, f in zip(real, fake, strict=True)]
        found += _won(steps, won)
        level = [abs(r - f) < LEVEL for r, f in zip(real, fake, strict=True)]
        start = _trailing(level)
        if len(steps) - start >= max(5, ENDING * len(steps)) and not won[-1]:
            mean = sum(real[start:]) / len(real[start:])
            found.append(
                Finding(
                    "info",
                    f"D could not tell fakes from reals {_after(steps, start)}: it answered {mean:.2f} to both.",
                )
            )
    else:
        for name, values in (("D(x)", real), ("D(G(z))", fake)):
            grown = _runaway(values)
            if grown:
                found.append(
                    Finding(
                        "bad",
                        f"D's answers ran away: {name} grew from about {grown[0]:,.3g} to {grown[1]:,.3g}.",
                    )
                )
                break
    return found


def _won(steps: Sequence[int], won: Sequence[bool]) -> list[Finding]:
    start = _trailing(won)
    least = max(3, ENDING * len(steps))
    if len(steps) - start >= least:
        return [Finding("bad", f"D won {_after(steps, start)}: D(G(z)) stayed under {WON:g}.")]
    first, length = _longest(won)
    if length >= max(5, ENDING * len(steps)):
        until = steps[first + length - 1]
        return [
            Finding(
                "warn",
                f"D was far ahead {_after(steps, first)}, until step {until:,}: D(G(z)) was under {WON:g}. "
                "G came back.",
            )
        ]
    return []


def _pictures(film: Film | None) -> list[Finding]:
    if film is None or not film.frames or film.frames[-1].step == 0:
        return []
    where = _where(film, len(film.frames) - 1)
    if film.blank[-1]:
        return [Finding("bad", f"The pictures of {where} are blank.")]
    last = film.kinds[-1]
    if last is None or last[0] >= COLLAPSED * last[1]:
        return []
    alike = [k is not None and k[0] < COLLAPSED * k[1] for k in film.kinds]
    start = _trailing(alike)
    before = max((k[0] for k in film.kinds[:start] if k is not None), default=0)
    what = f"of the {last[1]} pictures of {where} only about {last[0]} {'is' if last[0] == 1 else 'are'} different"
    if start > 0 and before:
        return [
            Finding("bad", f"Mode collapse since {_where(film, start)}: {what}; there were {before} before.")
        ]
    return [Finding("warn", f"Mode collapse, or too short a training: {what}, and were never many more.")]


def _where(film: Film, index: int) -> str:
    frame = film.frames[index]
    return f"epoch {frame.epoch:g}" if frame.epoch == int(frame.epoch) else f"step {frame.step:,}"


def _after(steps: Sequence[int], start: int) -> str:
    return f"after step {steps[start - 1]:,}" if start else "from the beginning"


def _trailing(flags: Sequence[bool]) -> int:
    """Where the unbroken row of True at the end begins; the length if there is none."""
    start = len(flags)
    while start and flags[start - 1]:
        start -= 1
    return start


def _longest(flags: Sequence[bool]) -> tuple[int, int]:
    """First index and length of the longest row of True."""
    best, start = (0, 0), 0
    for i, flag in enumerate([*flags, False]):
        if not flag:
            best, start = max(best, (start, i - start), key=lambda row: row[1]), i + 1
    return best


def _runaway(values: Sequence[float]) -> tuple[float, float] | None:
    """The size at the beginning and at the end, if it grew beyond all measure."""
    sizes = [abs(v) for v in values if math.isfinite(v)]
    if len(sizes) < 10:
        return None
    part = max(1, len(sizes) // 10)
    first, last = sorted(sizes[:part])[part // 2], sorted(sizes[-part:])[part // 2]
    return (first, last) if last > LARGE and last > RUNAWAY * first else None


def _not_finite(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _names(record: dict[str, object]) -> str:
    return ", ".join(name for name, value in record.items() if _not_finite(value))


def speed(history: History) -> str:
    """``"4:26 · 3,842 images/s"``."""
    rate = history.images_per_second
    return " · ".join(
        [*([clock(history.seconds)] if history.seconds else []), *([f"{rate:,.0f} images/s"] if rate else [])]
    )
