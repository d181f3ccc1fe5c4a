"""The final state of a run, as recorded in the run folder."""

from __future__ import annotations

import json
from pathlib import Path


def final_state(folder: Path) -> str:
    """Return the state in the ``status.json`` in ``folder``, such as ``"finished"``, or ``""`` if it cannot be read."""
    try:
        return str(json.loads((folder / "status.json").read_text(encoding="utf-8"))["state"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
