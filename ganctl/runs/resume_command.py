"""Build the command that resumes a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ganctl.errors import GanctlError
from ganctl.system import toml
from ganctl.system.pasteable_commands import ganctl_command


def resume_command(run: Path) -> str:
    """Return the command that resumes the run folder ``run``, with the plugin files in its ``config.toml``."""
    try:
        plugins = toml.read(run / "config.toml").get("plugins", {})
    except GanctlError:  # building a hint must not raise another error
        plugins = {}
    return ganctl_command("train", "--resume", run, plugins=plugins if isinstance(plugins, Mapping) else ())
