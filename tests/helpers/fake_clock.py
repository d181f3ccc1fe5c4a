"""A fake clock that is advanced by tests."""

from __future__ import annotations


class FakeClock:
    """A replacement for :func:`time.perf_counter`. Tests set ``now``, which is in seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now
