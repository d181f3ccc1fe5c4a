"""Check the registration of a plugin in a new process, as at the start of ganctl."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from ganctl.testing.failures import Failure, Findings

HEAVY = ("torch", "torchvision", "numpy", "scipy", "matplotlib", "tensorboard", "pandas", "tensorflow", "jax")
LONGEST_SUMMARY = 110

#: Registers one entry point and prints the result as JSON on the last line.
SCRIPT = f"""
import json, os, sys, time
from importlib.metadata import EntryPoint
os.environ.pop("GANCTL_PLUGINS", None)
from ganctl.plugin.discovery import discover
found = discover([EntryPoint(sys.argv[1], sys.argv[2], "ganctl")]).all[0]
print(json.dumps({{
    "error": found.error,
    "heavy": [name for name in {HEAVY!r} if name in sys.modules],
    "components": [[c.kind, c.name, c.summary] for c in found.components],
    "commands": [str(command.name) for command in found.commands],
    "idle": found.idle,
    "unmarked": found.unmarked,
}}))
"""


def check_registration(module: str, /, name: str = "") -> list[Failure]:
    """Check a plugin's hooks, names and summaries in a new process, and that registration does not import torch.

    Args:
        module: Module in the entry point, such as ``"my_package"``. The module must be importable.
        name: Name of the plugin in messages. By default, the module's name.
    """
    name = name or module
    findings = Findings(f"plugin '{name}'")
    result = _register(name, module, findings)
    if result is None:
        return findings.failures
    if result["error"]:
        check_error(result["error"], module, findings)
        return findings.failures
    if result["heavy"]:
        findings.add(
            f"imports {result['heavy'][0]} when it registers, which slows down every ganctl command.",
            "Register the address 'module:attribute' of a component, and import the package only in that module.",
        )
    check_hooks(result["idle"], result["unmarked"], findings)
    for kind, component, summary in result["components"]:
        if "\n" in summary or len(summary) > LONGEST_SUMMARY:
            findings.add(
                f"has a summary of the {kind} '{component}' that is too long for a listing or has several lines.",
                f"Use one line of at most {LONGEST_SUMMARY} characters, and put the rest into the docstring.",
            )
    return findings.failures


def check_hooks(idle: Sequence[str], unmarked: Sequence[str], findings: Findings) -> None:
    """Add a failure for each hook that registers nothing and for each hook function that is not marked as a hook."""
    for name in idle:
        findings.add(
            f"registers nothing in its hook {name}.",
            f"Write def {name}(register): and call register(…) in it, or remove the hook.",
        )
    for name in unmarked:
        findings.add(
            f"has a function {name} that is not marked as a hook and is ignored.",
            f"Write @ganctl.hookimpl above def {name}(register):, or rename the function.",
        )


def check_error(error: str, module: str, findings: Findings) -> None:
    """Add a failure if ``error``, the error raised when ``module`` was registered, is not empty."""
    if error:
        findings.add(f"cannot be registered: {error.rstrip('.')}.", _remedy(error, module))


def _register(name: str, module: str, findings: Findings) -> dict[str, Any] | None:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, name, module],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    try:
        result = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        last_line = (done.stderr.strip().splitlines() or ["no output"])[-1]
        findings.add(
            f"ends Python when it is imported (status {done.returncode}): {last_line}",
            f"Try: python -c 'import {module}'",
        )
        return None
    return result if isinstance(result, dict) else None


def _remedy(error: str, module: str) -> str:
    if "hook" in error:
        return "For the hooks and their names, see the section Hooks on the page Plugins of ganctl's documentation."
    if error.startswith(("ModuleNotFoundError", "ImportError")):
        return "Install the missing package and add it to the plugin's dependencies, or fix the import."
    if error.startswith("ValueError"):
        return "Fix this call of register(name, 'module:attribute', summary='one line')."
    return f"See the traceback: python -c 'import {module}'"
