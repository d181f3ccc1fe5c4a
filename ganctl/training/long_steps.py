"""Steps with so many D updates that they last for minutes or forever.

Such a step is always eager. It prepares the images of one update at a time, and checks for a signal before each update.
"""

from __future__ import annotations

from collections.abc import Callable

from ganctl.data.batches import Batches
from ganctl.loss import Batch
from ganctl.system.signals import StopSignals

#: Largest number of D updates per step that are prepared together, captured in a graph, and not interrupted.
MOST_UPDATES = 100


class StoppedWithinStep(Exception):  # noqa: N818  # not an error
    """A signal arrived during a long step. The state is between two steps, so it cannot be saved."""


def is_long(n_critic: int) -> bool:
    """Return whether a step with ``n_critic`` D updates is long."""
    return n_critic > MOST_UPDATES


def draw_until_stopped(batches: Batches, stop: StopSignals) -> Callable[[], Batch]:
    """Return a function that prepares and draws the next batch, and raises StoppedWithinStep after a signal."""

    def draw() -> Batch:
        if stop.requested:
            raise StoppedWithinStep
        return batches.next()

    return draw
