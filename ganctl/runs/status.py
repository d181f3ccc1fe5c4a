"""``status.json``, which contains a run's state. Training writes the file, and commands that show runs read it."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ganctl.errors import USAGE, GanctlError
from ganctl.runs.resume_command import resume_command
from ganctl.system.files import read_regular, write_atomically
from ganctl.system.pasteable_commands import ganctl_pattern

#: ``waiting``: created but not started. ``stopped``: saved and stopped by a signal. ``killed`` is never written. It is
#: shown if the state is ``running`` but no process holds the folder.
State = Literal["waiting", "running", "stopped", "finished", "diverged", "failed", "killed"]

#: Setting that limited the length of a finished run.
Limit = Literal["steps", "minutes"]


@dataclass(frozen=True)
class Failure:
    """The error that ended a run: the message and the hint shown to the user, and the exit status."""

    message: str
    hint: str
    status: int


@dataclass(frozen=True)
class Status:
    """The state of a run.

    Attributes:
        step: last step whose losses were read. ``total``: number of steps in the run, or None before training starts or
            if only the time is limited.
        minutes: maximum training time, if it is limited.
        ended_by: the limit that a finished run reached first.
        images: number of images in the dataset. ``image``: shape of each image, C, H, W.
        parameters: number of parameters of ``G`` and ``D``.
        grid: columns and rows of the sample grids.
        pid: process ID of the process that wrote the file.
        error: set if the state is ``diverged`` or ``failed``.
    """

    state: State
    step: int = 0
    total: int | None = None
    minutes: float | None = None
    ended_by: Limit | None = None
    images: int | None = None
    image: tuple[int, int, int] | None = None
    parameters: dict[str, int] = field(default_factory=dict)
    device: str = ""
    precision: str = ""
    grid: tuple[int, int] | None = None
    pid: int | None = None
    error: Failure | None = None


def write(path: Path, status: Status, *, durable: bool = True) -> None:
    """Replace the file at ``path``.

    Args:
        durable: wait until the file is on the disk. Frequent updates during training do not need this.
    """
    write_atomically(path, (json.dumps(asdict(status), indent=1) + "\n").encode(), durable=durable)


def read(path: Path) -> Status:
    """Return the status in the file at ``path``.

    Raises:
        GanctlError: the file is damaged, or missing, as in a folder created by an earlier version of ganctl.
    """
    try:
        table = json.loads(read_regular(path))
    except FileNotFoundError:
        raise GanctlError(
            f"{path.parent} has no {path.name}: an earlier version of ganctl created it.",
            "Sample from its checkpoints, or resume one of them in a new folder: "
            + ganctl_pattern("train", "--resume", "CKPT"),
            status=USAGE,
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path) from error
    try:
        return _from_table(table)
    except (TypeError, ValueError) as error:
        raise _damaged(path) from error


def age(path: Path) -> float:
    """Return the seconds since the file at ``path`` was written, or infinity if there is no file."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")


def _from_table(table: dict[str, Any]) -> Status:
    known = {name: table[name] for name in Status.__dataclass_fields__ if name in table}
    if known.get("error") is not None:
        known["error"] = Failure(**known["error"])
    for name in ("image", "grid"):
        if known.get(name) is not None:
            known[name] = tuple(known[name])
    return Status(**known)


def _damaged(path: Path) -> GanctlError:
    return GanctlError(
        f"{path} is damaged.",
        f"Resume the run, which recreates the file: {resume_command(path.parent)}",
    )
