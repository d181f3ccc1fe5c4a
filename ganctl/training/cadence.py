"""Cadence: the steps after which a run writes a log line, draws samples or saves a checkpoint.

A cadence depends only on settings and on the length of the run in steps, so the same command writes the same files on
every machine. A run has 50 to 100 log lines, about 50 sample grids and about 10 checkpoints, whatever its length. The
first lines and grids come early, at steps 1, 2, 5, 10, 20, 50, …, so that a long run shows something immediately.
"""

from __future__ import annotations

from dataclasses import dataclass

from ganctl.config.settings import Config

LOG_LINES = 50  # at least so many, and less than twice as many
SAMPLE_GRIDS = 50  # about so many
GRIDS_PER_CHECKPOINT = 5
ROUND = (
    10,
    12,
    15,
    20,
    25,
    30,
    40,
    50,
    60,
    80,
)  # times a power of ten: the intervals between log lines and grids
EARLY = (1, 2, 5)  # times a power of ten: the first steps
LONGEST_LOG_INTERVAL = 500  # steps; of a run whose length is a time
LONGEST_SAMPLE_INTERVAL = 10_000  # likewise


@dataclass(frozen=True)
class Cadence:
    """Steps at which something is due: every ``interval`` steps.

    Attributes:
        interval: number of steps; None if the interval grows with the step, because the length in steps is unknown.
        early: whether steps 1, 2, 5, 10, … below ``interval`` are due, too.
        growth: a growing interval, as a multiple of the largest power of ten up to the step.
        longest: largest number of steps between two steps at which something is due.
    """

    interval: int | None
    early: bool = False
    growth: float = 1.0
    longest: int = 0

    def due(self, step: int) -> bool:
        """Return whether something is due after ``step``, which is at least 1."""
        power = 10 ** (len(str(step)) - 1)
        if self.interval is None:
            return step % min(self.longest, max(1, int(self.growth * power))) == 0
        if self.early and step < self.interval and step in (digit * power for digit in EARLY):
            return True
        return step % self.interval == 0


def log_lines(config: Config, total: int | None) -> Cadence:
    """Return the cadence of the lines of ``losses.jsonl`` in a run of ``total`` steps; None: unknown."""
    if config.log_every is not None:
        return Cadence(config.log_every, longest=config.log_every)
    if total is None:
        return Cadence(None, growth=0.5, longest=LONGEST_LOG_INTERVAL)
    interval = _round_down(total // LOG_LINES)
    return Cadence(interval, early=True, longest=interval)


def sample_grids(config: Config, total: int | None) -> Cadence:
    """Return the cadence of the sample grids in a run of ``total`` steps; None: unknown."""
    if config.sample_every is not None:
        return Cadence(config.sample_every)
    if total is None:
        return Cadence(None, longest=LONGEST_SAMPLE_INTERVAL)
    return Cadence(_round_up(total, SAMPLE_GRIDS), early=True)


def checkpoints(config: Config, total: int | None) -> Cadence:
    """Return the cadence of the checkpoints in a run of ``total`` steps; None: unknown."""
    if config.checkpoint_every is not None:
        return Cadence(config.checkpoint_every)
    if total is None:
        return Cadence(None, growth=2.0, longest=2 * LONGEST_SAMPLE_INTERVAL)
    return Cadence(GRIDS_PER_CHECKPOINT * _round_up(total, SAMPLE_GRIDS))


def describe(config: Config, total: int | None) -> str:
    """Return one sentence without a period, for example ``A log line every 20 steps, …``."""
    kinds = {
        "a log line": log_lines(config, total),
        "a sample grid": sample_grids(config, total),
        "a checkpoint": checkpoints(config, total),
    }
    text = ", ".join(f"{name} {_describe(cadence)}" for name, cadence in kinds.items())
    return text[0].upper() + text[1:]


def _describe(cadence: Cadence) -> str:
    if cadence.interval is None:
        first = [step for step in range(1, 10_001) if cadence.due(step)]
        shown = [first[0], *(step for step in first if step >= 10)][:4]
        return f"at steps {', '.join(f'{step:,}' for step in shown)} …"
    return f"every {cadence.interval:,} steps" if cadence.interval > 1 else "every step"


def _round_numbers() -> list[int]:
    return [*range(1, 7), 8, *(digits * 10**power for power in range(16) for digits in ROUND)]


def _round_down(steps: int) -> int:
    return max((n for n in _round_numbers() if n <= steps), default=1)


def _round_up(total: int, parts: int) -> int:
    return next(n for n in _round_numbers() if n * parts >= total)
