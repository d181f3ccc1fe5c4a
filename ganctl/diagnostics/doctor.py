"""What a bug report needs to know of this machine, and whether a training could start on it."""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from ganctl.errors import GanctlError
from ganctl.plugin import discovery
from ganctl.system.memory import free_memory, gib
from ganctl.system.processors import usable_processors
from ganctl.version import __version__

LIBRARIES = ("numpy", "pillow", "click", "pluggy", "rich", "filelock", "tensorboard", "matplotlib")


@dataclass
class Problem:
    """Something that is not as it should be; ``essential`` if no training could start because of it."""

    text: str
    hint: str = ""
    essential: bool = True


@dataclass
class Examination:
    """What was found: sections of named facts, and the problems among them."""

    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def can_train(self) -> bool:
        return not any(problem.essential for problem in self.problems)


def examine(data_root: Path) -> Examination:
    """Look at everything. What fails is a problem in the result, never an exception."""
    found = Examination()
    loaded: list[discovery.Plugin] = []
    try:
        loaded = discovery.discover().all  # before torch is imported, or one that imports it would seem quick
    except GanctlError as error:
        found.problems.append(Problem(error.message, error.hint))
    sections: dict[str, Callable[[Examination], dict[str, Any]]] = {
        "ganctl": _software,
        "torch": _torch,
        "devices": _devices,
        "processor": _processor,
        "disk": lambda examination: _disk(examination, data_root),
        "plugins": lambda examination: _plugins(examination, loaded),
    }
    for title, look in sections.items():
        try:
            found.facts[title] = look(found)
        except Exception as error:
            found.facts[title] = {}
            found.problems.append(
                Problem(f"Looking at {title} failed: {type(error).__name__}: {error}", essential=False)
            )
    return found


def check_torchvision() -> Problem | None:
    """Import torchvision; if that fails, which torchvision and torch do not fit, and what to install."""
    try:
        importlib.import_module("torchvision")
        return None
    except Exception as error:  # built for another torch it raises RuntimeError and AttributeError too
        reason = " ".join(f"{type(error).__name__}: {error}".split())
    torch, torchvision = _version("torch"), _version("torchvision")
    if torchvision is None:
        return Problem("torchvision is not installed.", f"pip install torchvision torch=={_public(torch)}")
    needs = [r for r in metadata.requires("torchvision") or [] if re.match(r"torch\b(?!-)", r)]
    asks = f" (it asks for {needs[0]})" if needs else ""
    return Problem(
        f"torchvision {torchvision} cannot be imported beside torch {torch}{asks}: {reason}",
        f"Install the torchvision that belongs to this torch, from where torch came from: "
        f"pip install -U torchvision torch=={_public(torch)}",
    )


def _software(found: Examination) -> dict[str, Any]:
    facts = {
        "ganctl": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": platform.platform(),
    }
    for name in LIBRARIES:
        facts[name] = _version(name) or "missing"
        if facts[name] == "missing":
            found.problems.append(Problem(f"{name} is not installed.", f"pip install {name}"))
    return facts


def _torch(found: Examination) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "torch": _version("torch") or "missing",
        "torchvision": _version("torchvision") or "missing",
    }
    try:
        import torch
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        wrong = "torch is not installed."
        if facts["torch"] != "missing":
            wrong = f"torch {facts['torch']} cannot be imported: {reason}"
        found.problems.append(Problem(wrong, "Install it anew: pip install -U torch"))
        return facts
    facts["torch"] = str(torch.__version__)
    facts["CUDA build"] = torch.version.cuda or "none (CPU only)"
    if torch.backends.cudnn.is_available():
        facts["cuDNN"] = str(torch.backends.cudnn.version())
    problem = check_torchvision()
    facts["torchvision fits"] = problem is None
    if problem:
        found.problems.append(problem)
    return facts


def _devices(found: Examination) -> dict[str, Any]:
    facts: dict[str, Any] = {"NVIDIA driver": _driver() or "none"}
    try:
        import torch
    except Exception:  # told already
        return facts
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            facts[f"cuda:{number}"] = _cuda_device(found, number)
    elif facts["NVIDIA driver"] != "none":
        found.problems.append(
            Problem(
                f"There is an NVIDIA driver ({facts['NVIDIA driver']}), but this torch cannot use CUDA.",
                "Its CUDA build may be 'none' or newer than the driver; see pytorch.org for the right one.",
                essential=False,
            )
        )
    facts["mps"] = bool(torch.backends.mps.is_available())
    return facts


def _cuda_device(found: Examination, number: int) -> str:
    import torch

    properties = torch.cuda.get_device_properties(number)
    text = f"{properties.name}, compute capability {properties.major}.{properties.minor}"
    try:
        free, total = torch.cuda.mem_get_info(number)
        torch.ones(2, 2, device=f"cuda:{number}").mm(torch.ones(2, 2, device=f"cuda:{number}")).sum().item()
        return f"{text}, {gib(free)} free of {gib(total)}"
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        found.problems.append(
            Problem(
                f"cuda:{number} does not work: {reason}",
                "Train with --device cpu meanwhile.",
                essential=False,
            )
        )
        return f"{text}, {gib(properties.total_memory)}"


def _driver() -> str | None:
    """The version of the NVIDIA driver, from its own tool or from the kernel."""
    try:
        answer = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
        )
        if answer.returncode == 0 and answer.stdout.strip():
            return answer.stdout.split()[0]
    except (OSError, subprocess.SubprocessError):
        pass
    try:
        match = re.search(r"\d+(?:\.\d+)+", Path("/proc/driver/nvidia/version").read_text(errors="replace"))
    except OSError:
        return None
    return match[0] if match else None


def _processor(found: Examination) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "model": _cpu_model(),
        "cores": f"{usable_processors()} usable of {os.cpu_count()}",
    }
    if "torch" in sys.modules:
        facts["torch threads"] = sys.modules["torch"].get_num_threads()
    if hasattr(os, "sysconf"):
        facts["memory"] = gib(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    if (free := free_memory()) is not None:
        facts["memory available"] = gib(free)
    limit = _read(Path("/sys/fs/cgroup/memory.max")).strip()
    if limit.isdigit():
        facts["memory limit of this container"] = gib(int(limit))
    return facts


def _cpu_model() -> str:
    match = re.search(r"model name\s*:\s*(.+)", _read(Path("/proc/cpuinfo")))
    return match[1] if match else platform.processor() or platform.machine()


def _disk(found: Examination, data_root: Path) -> dict[str, Any]:
    facts = {"working folder": _folder(found, Path.cwd(), essential=True)}
    facts["data root"] = _folder(found, data_root, essential=False)
    try:
        from ganctl.data.cache import cache_dir, cache_size

        folder = cache_dir()
        facts["cache"] = f"{_folder(found, folder, essential=False)}; datasets take {gib(cache_size())}"
    except GanctlError as error:
        found.problems.append(Problem(error.message, error.hint))
    except Exception:  # it needs torch and numpy, whose absence has been told
        facts["cache"] = "unknown"
    return facts


def _folder(found: Examination, folder: Path, *, essential: bool) -> str:
    """``folder``, with the space that is left on its disk; whether it or its parent can be written to."""
    folder = folder.absolute()
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not os.access(there, os.W_OK | os.X_OK):
        found.problems.append(Problem(f"{there} cannot be written to.", "Check its permissions.", essential))
    missing = "" if folder.exists() else " (not there yet)"
    return f"{folder}{missing}, {gib(shutil.disk_usage(there).free)} free"


def _plugins(found: Examination, loaded: list[discovery.Plugin]) -> dict[str, Any]:
    facts = {}
    for plugin in loaded:
        count = len(plugin.components) + len(plugin.commands)
        state = f"BROKEN: {plugin.error}" if plugin.error else f"{count} names"
        facts[plugin.name] = f"{plugin.origin}, {plugin.skipped or state}"
        if plugin.error:
            found.problems.append(
                Problem(
                    f"The plugin '{plugin.name}' of {plugin.origin} is broken: {plugin.error}",
                    f"Reinstall or update it: pip install -U {plugin.distribution}",
                    essential=plugin.distribution == "ganctl",
                )
            )
        for reason in plugin.slowdowns:
            found.problems.append(
                Problem(
                    f"The plugin '{plugin.name}' of {plugin.origin} is {reason}."
                    if reason.startswith("slow")
                    else f"The plugin '{plugin.name}' of {plugin.origin} {reason}.",
                    f"Every command waits for it. Tell its authors, or: ganctl plugins disable {plugin.name}",
                    essential=False,
                )
            )
    if not facts:
        found.problems.append(
            Problem(
                "No plugin is installed, not even ganctl's own.", "Install ganctl itself: pip install ganctl"
            )
        )
    return facts


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _public(version: str | None) -> str:
    """``2.11.0`` of ``2.11.0+cu128``."""
    return (version or "").partition("+")[0]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
