"""What every registration must fulfil: tried in a process of its own, as ganctl starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from ganctl.testing.findings import Findings

HEAVY = ("torch", "torchvision", "numpy", "scipy", "matplotlib", "tensorboard", "pandas", "tensorflow", "jax")
LONGEST_SUMMARY = 110

#: Registers one entry point and tells what came of it, as JSON on the last line.
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
}}))
"""


def check(name: str, module: str, findings: Findings) -> None:
    """Say in ``findings`` what the plugin ``name`` behind ``module`` does not fulfil when it registers."""
    found = _register(name, module, findings)
    if found is None:
        return
    if found["error"]:
        check_error(found["error"], module, findings)
        return
    if found["heavy"]:
        findings.say(
            f"imports {found['heavy'][0]} when it registers: every ganctl command would wait for it.",
            "Register the address 'module:attribute' of a component, and import it in that module alone.",
        )
    if not found["components"] and not found["commands"]:
        findings.say("registers nothing.", "Call register(…) in its hooks.")
    for kind, component, summary in found["components"]:
        if "\n" in summary or len(summary) > LONGEST_SUMMARY:
            findings.say(
                f"has a summary of the {kind} '{component}' that does not fit into a listing.",
                f"Say it in one line of at most {LONGEST_SUMMARY} characters; the rest belongs in the docstring.",
            )


def check_error(error: str, module: str, findings: Findings) -> None:
    """Say in ``findings`` what kept ``module`` from being registered, if anything did."""
    if error:
        findings.say(f"cannot be registered: {error.rstrip('.')}.", _remedy(error, module))


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
        found = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        said = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        findings.say(
            f"ends Python when it is imported (status {done.returncode}): {said}",
            f"Try: python -c 'import {module}'",
        )
        return None
    return found if isinstance(found, dict) else None


def _remedy(error: str, module: str) -> str:
    if "hook" in error:
        return "The hooks and their names: ganctl's documentation, Plugins, Hooks."
    if error.startswith(("ModuleNotFoundError", "ImportError")):
        return "Install what it imports, name it in the plugin's dependencies, or mend the import."
    if error.startswith("ValueError"):
        return "Mend that call of register(name, 'module:attribute', summary='one line')."
    return f"See the traceback: GANCTL_STRICT=1 ganctl --debug models, or python -c 'import {module}'"
