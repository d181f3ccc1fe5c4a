"""The progress bar of a run: it counts steps, or seconds if only the time is limited."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ganctl.training.state import Training


@contextmanager
def progress_bar(t: Training) -> Iterator[Callable[[int, float], None]]:
    """Show a bar that counts steps, or seconds if only the time is limited. Yields a function of both."""
    title = f"{t.config.model} on {t.config.data_label}"
    if t.total is not None:
        shown = t.step
        with t.reporter.bar(title, t.total, shown) as advance:

            def show_step(step: int, seconds: float) -> None:
                nonlocal shown
                advance(step - shown)
                shown = step

            yield show_step
        return
    limit = round(60 * (t.config.minutes or 0))
    shown = min(int(t.seconds), limit)
    with t.reporter.bar(title, limit, shown, seconds=True) as advance:

        def show_seconds(step: int, seconds: float) -> None:
            nonlocal shown
            now = min(int(seconds), limit)
            advance(now - shown)
            shown = now

        yield show_seconds
