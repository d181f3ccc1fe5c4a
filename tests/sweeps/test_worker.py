"""Test a worker's memory measurements."""

from __future__ import annotations

from pathlib import Path

import torch

from ganctl.sweeps.worker import measure_memory
from ganctl.system.memory import free_memory


def test_worker_measures_its_memory_use() -> None:
    assert measure_memory(torch.device("cpu"))["memory"] > 50e6
    if Path("/proc/meminfo").exists():
        assert (free_memory() or 0) > 1e6
