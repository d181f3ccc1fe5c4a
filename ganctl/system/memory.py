"""Free memory of the system, informative out-of-memory errors, and sizes as text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ganctl.errors import RESOURCES, GanctlError


class Demand(NamedTuple):
    """Something that needs memory.

    Attributes:
        what: plural description, such as ``"64 samples of 3×32×32"``.
        size: estimated size, in bytes.
        hint: advice on reducing the size.
    """

    what: str
    size: float
    hint: str


@contextmanager
def allocating(*demands: Demand, check: bool = True) -> Iterator[None]:
    """Raise a GanctlError that names the largest of ``demands`` if an operation in the block runs out of memory.

    Args:
        check: if True, raise the error before the block runs if the largest demand exceeds the system's free memory.
    """
    largest = max(demands, key=lambda demand: demand.size)
    free = free_memory()
    if check and free is not None and largest.size > free:
        raise out_of_memory(largest, free)
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise out_of_memory(largest, free, str(error)) from error


def out_of_memory(demand: Demand, free: int | None, reason: str = "") -> GanctlError:
    """Return the error for ``demand``. ``reason`` is torch's error message."""
    available = f"; {gib(free)} of main memory are free" if free is not None else ""
    details = f" ({' '.join(reason.split())})" if reason else ""
    return GanctlError(
        f"Out of memory: {demand.what} need about {gib(demand.size)}{available}.{details}",
        demand.hint,
        status=RESOURCES,
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Return True if ``error`` means that the CPU or an accelerator ran out of memory. Does not import torch."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)


def free_memory() -> int | None:
    """Return the free memory of this system or container, in bytes; None if it is unknown."""
    free = []
    if match := re.search(r"MemAvailable:\s+(\d+) kB", _read("/proc/meminfo")):
        free.append(int(match[1]) * 1024)
    limit, used = _read("/sys/fs/cgroup/memory.max").strip(), _read("/sys/fs/cgroup/memory.current").strip()
    if limit.isdigit() and used.isdigit():
        cached = re.search(r"^file (\d+)", _read("/sys/fs/cgroup/memory.stat"), re.MULTILINE)
        free.append(int(limit) - int(used) + (int(cached[1]) if cached else 0))
    return min(free, default=None)


def gib(count: float) -> str:
    """Return ``count`` bytes as text in MiB or GiB."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
