"""Free memory of the system, and sizes as text."""

from __future__ import annotations

import re
from pathlib import Path


def free_memory() -> int | None:
    """Return the bytes of memory that are free in this system or container; None if unknown."""
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
