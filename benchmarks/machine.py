"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import torch

from ganctl.training.devices import choose_device


def describe(device: str, threads: int) -> dict[str, Any]:
    """Hardware, versions and how busy the machine is."""
    chosen = choose_device(device)
    return {
        "device": torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else chosen.type,
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": threads or torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "system": f"{platform.system()} {platform.machine()}",
    }


def line(machine: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in machine.items())


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    names = [row.split(":", 1)[1].strip() for row in text.splitlines() if row.startswith("model name")]
    return names[0] if names else platform.processor()
