"""Examine this installation for ``ganctl doctor``: its versions, devices, disks and plugins, and their problems."""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from ganctl.errors import GanctlError
from ganctl.plugin import discovery
from ganctl.system.environment_errors import environment_error, no_temporary_folder
from ganctl.system.memory import free_memory, gib
from ganctl.system.pasteable_commands import ganctl_command
from ganctl.system.processors import usable_processors
from ganctl.version import __version__

LIBRARIES = ("numpy", "pillow", "click", "pluggy", "rich", "filelock", "tensorboard", "matplotlib")


@dataclass
class Problem:
    """A problem with this installation. An ``essential`` problem prevents training."""

    text: str
    hint: str = ""
    essential: bool = True


@dataclass
class Examination:
    """Facts about this installation, by section and name, and its problems."""

    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def can_train(self) -> bool:
        return not any(problem.essential for problem in self.problems)


def examine(
    data_root: Path,
    *,
    begin: Callable[[str], None] = lambda title: None,
    end: Callable[[str, dict[str, Any]], None] = lambda title, facts: None,
) -> Examination:
    """Examine this installation. An error during the examination becomes a problem in the result.

    Args:
        data_root: folder in which datasets are stored.
        begin: called with the title of a section before the section is examined, which may take seconds.
        end: called with the title and the facts of a section after the section was examined.
    """
    begin("plugins")
    examination = Examination()
    loaded: list[discovery.Plugin] = []
    try:
        # Load plugins before importing torch, so that their load times include the time for importing torch.
        plugins = discovery.discover()
        loaded = plugins.all
        for line in plugins.unreadable:
            hint = "ganctl skips it. Reinstall the package or delete the folder."
            examination.problems.append(Problem(f"{line}.", hint, essential=False))
    except GanctlError as error:
        examination.problems.append(Problem(error.message, error.hint))
    sections: dict[str, Callable[[Examination], dict[str, Any]]] = {
        "ganctl": _software,
        "torch": _torch,
        "devices": _devices,
        "processor": _processor,
        "disk": lambda examination: _disk(examination, data_root),
        "plugins": lambda examination: _plugins(examination, loaded),
    }
    for title, examine_section in sections.items():
        begin(title)
        try:
            examination.facts[title] = examine_section(examination)
        except Exception as error:
            examination.facts[title] = {}
            examination.problems.append(
                Problem(f"The check of {title} failed: {type(error).__name__}: {error}", essential=False)
            )
        end(title, examination.facts[title])
    return examination


def check_torchvision() -> Problem | None:
    """Import torchvision. If the import fails, return a problem with both versions and a command that fixes it."""
    try:
        importlib.import_module("torchvision")
        return None
    except (
        Exception
    ) as error:  # torchvision raises RuntimeError or AttributeError if it was built for a different torch
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        known = environment_error(error)
    if known:
        return Problem(f"torchvision cannot be imported. {known.message}", known.hint)
    torch, torchvision = _version("torch"), _version("torchvision")
    if torchvision is None:
        return Problem("torchvision is not installed.", f"pip install torchvision torch=={_public(torch)}")
    needs = [r for r in metadata.requires("torchvision") or [] if re.match(r"torch\b(?!-)", r)]
    requirement = f" (it requires {needs[0]})" if needs else ""
    return Problem(
        f"torchvision {torchvision} cannot be imported with torch {torch}{requirement}: {reason}",
        f"Install the torchvision that matches this torch, from the same package index as torch: "
        f"pip install -U torchvision torch=={_public(torch)}",
    )


def _software(examination: Examination) -> dict[str, Any]:
    facts = {
        "ganctl": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": platform.platform(),
    }
    for name in LIBRARIES:
        facts[name] = _version(name) or "missing"
        if facts[name] == "missing":
            examination.problems.append(Problem(f"{name} is not installed.", f"pip install {name}"))
    return facts


def _torch(examination: Examination) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "torch": _version("torch") or "missing",
        "torchvision": _version("torchvision") or "missing",
    }
    try:
        import torch
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        text = "torch is not installed."
        if facts["torch"] != "missing":
            text = f"torch {facts['torch']} cannot be imported: {reason}"
        known = environment_error(error)
        hint = known.hint if known else "Reinstall torch: pip install -U --force-reinstall torch"
        examination.problems.append(Problem(text, hint))
        return facts
    facts["torch"] = str(torch.__version__)
    facts["CUDA build"] = torch.version.cuda or "none (CPU only)"
    if torch.backends.cudnn.is_available():
        facts["cuDNN"] = str(torch.backends.cudnn.version())
    problem = check_torchvision()
    facts["torchvision matches"] = problem is None
    if problem:
        examination.problems.append(problem)
    return facts


def _devices(examination: Examination) -> dict[str, Any]:
    facts: dict[str, Any] = {"NVIDIA driver": _driver() or "none"}
    try:
        import torch
    except Exception:  # _torch() has already reported the problem
        return facts
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            facts[f"cuda:{number}"] = _cuda_device(examination, number)
    elif facts["NVIDIA driver"] != "none":
        examination.problems.append(
            Problem(
                f"An NVIDIA driver ({facts['NVIDIA driver']}) is installed, but torch cannot use CUDA.",
                "Install a build of torch whose CUDA version the driver supports. See pytorch.org.",
                essential=False,
            )
        )
    facts["mps"] = bool(torch.backends.mps.is_available())
    return facts


def _cuda_device(examination: Examination, number: int) -> str:
    import torch

    properties = torch.cuda.get_device_properties(number)
    text = f"{properties.name}, compute capability {properties.major}.{properties.minor}"
    try:
        free, total = torch.cuda.mem_get_info(number)
        torch.ones(2, 2, device=f"cuda:{number}").mm(torch.ones(2, 2, device=f"cuda:{number}")).sum().item()
        return f"{text}, {gib(free)} free of {gib(total)}"
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        examination.problems.append(
            Problem(
                f"cuda:{number} does not work: {reason}",
                "Until the problem is fixed, train with --device cpu.",
                essential=False,
            )
        )
        return f"{text}, {gib(properties.total_memory)}"


def _driver() -> str | None:
    """Return the version of the NVIDIA driver from nvidia-smi or the kernel."""
    try:
        result = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
        )
        if result.returncode == 0 and result.stdout.strip():
            return result.stdout.split()[0]
    except (OSError, subprocess.SubprocessError):
        pass
    try:
        match = re.search(r"\d+(?:\.\d+)+", Path("/proc/driver/nvidia/version").read_text(errors="replace"))
    except OSError:
        return None
    return match[0] if match else None


def _processor(examination: Examination) -> dict[str, Any]:
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


def _disk(examination: Examination, data_root: Path) -> dict[str, Any]:
    facts = {"working folder": _folder(examination, Path.cwd(), essential=True)}
    facts["data root"] = _folder(examination, data_root, essential=False)
    try:
        facts["temporary folder"] = _folder(examination, Path(tempfile.gettempdir()), essential=True)
    except FileNotFoundError:
        error = no_temporary_folder()
        examination.problems.append(Problem(error.message, error.hint))
    try:
        from ganctl.data.cache import cache_dir, cache_size

        folder = cache_dir()
        facts["cache"] = f"{_folder(examination, folder, essential=False)}; datasets take {gib(cache_size())}"
    except GanctlError as error:
        examination.problems.append(Problem(error.message, error.hint, essential=False))
    except Exception:  # torch or NumPy is missing, which has already been reported
        facts["cache"] = "unknown"
    return facts


def _folder(examination: Examination, folder: Path, *, essential: bool) -> str:
    """Return a description of ``folder`` with its free disk space. Report a problem if the folder is not writable."""
    folder = folder.absolute()
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not os.access(existing, os.W_OK | os.X_OK):
        examination.problems.append(
            Problem(f"{existing} is not writable.", "Change its permissions.", essential)
        )
    missing = "" if folder.exists() else " (does not exist yet)"
    return f"{folder}{missing}, {gib(shutil.disk_usage(existing).free)} free"


def _plugins(examination: Examination, loaded: list[discovery.Plugin]) -> dict[str, Any]:
    facts = {}
    for plugin in loaded:
        count = len(plugin.components) + len(plugin.commands)
        state = f"BROKEN: {plugin.error}" if plugin.error else f"{count} name{'s' * (count != 1)}"
        facts[plugin.name] = f"{plugin.origin}, {plugin.skipped or state}"
        if plugin.error:
            examination.problems.append(
                Problem(
                    f"The plugin '{plugin.name}' of {plugin.origin} is broken: {plugin.error}",
                    f"Reinstall or update {plugin.distribution}: pip install -U {plugin.distribution}",
                    essential=plugin.distribution == "ganctl",
                )
            )
        for line in plugin.warnings:
            text = f"{line[0].upper()}{line[1:]}."
            examination.problems.append(Problem(text, "Report this to its authors.", essential=False))
        for reason in plugin.slowdowns:
            verb = "is " if reason.startswith("slow") else ""
            examination.problems.append(
                Problem(
                    f"The plugin '{plugin.name}' of {plugin.origin} {verb}{reason}.",
                    "It delays every command. Report this to its authors, or disable the plugin: "
                    + ganctl_command("plugins", "disable", plugin.name),
                    essential=False,
                )
            )
    if not facts:
        examination.problems.append(
            Problem(
                "No plugin is installed, not even ganctl's own.",
                "Reinstall ganctl: pip install -U --force-reinstall ganctl",
            )
        )
    return facts


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
    except Exception:  # a damaged METADATA
        return "of unknown version"


def _public(version: str | None) -> str:
    """Return ``2.11.0`` for ``2.11.0+cu128``."""
    return (version or "").partition("+")[0]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
