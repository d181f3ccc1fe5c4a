"""Checkpoint files, which are written atomically, verified before reading, and loaded without running code.

A checkpoint is a zip archive written by :func:`torch.save`, with the SHA-256 digest of its bytes in the archive's
comment. torch does not detect flipped bits, so nothing is read unless the digest matches.
"""

from __future__ import annotations

import hashlib
import io
import struct
from pathlib import Path
from typing import Any

import torch

from ganctl.errors import CHECKPOINT, GanctlError
from ganctl.runs.checkpoint_schema import SAFE_TEXT, check
from ganctl.runs.folder import CHECKPOINT_NAME, Run, files_by_step
from ganctl.system.files import read_regular, write_atomically

FORMAT = 1
SEAL = b"ganctl-sha256:"
SEAL_LENGTH = len(SEAL) + 64
ZIP_END = struct.pack("<H", 0)  # an archive without a comment ends with the comment's length, which is 0


def save(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` to ``path``. After a crash at any time, either the old or the new file exists.

    Raises:
        GanctlError: the disk is full, or the folder is not writable. An existing file is kept.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    write_atomically(path, seal(buffer.getvalue()))


def load(path: Path) -> dict[str, Any]:
    """Load the state in ``path`` to the CPU without running code from the file.

    Raises:
        GanctlError: with status ``CHECKPOINT`` if the file does not exist, is damaged, is not a checkpoint, or was
            written by a later version of ganctl.
    """
    try:
        data = read_regular(path)
    except OSError as error:
        raise GanctlError(
            f"Cannot read the checkpoint {path}: {error.strerror}.",
            "Checkpoints are in the run folder: runs/*/checkpoints/*.pt",
            status=CHECKPOINT,
        ) from error
    archive = unseal(data, path)
    try:
        state = torch.load(io.BytesIO(archive), map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # do not show torch's message, which recommends weights_only=False
        raise GanctlError(
            f"{path} is not a ganctl checkpoint: it contains more than tensors and plain values.",
            "It was not loaded, because it could run code. Do not use files from unknown sources.",
            status=CHECKPOINT,
        ) from error
    if not isinstance(state, dict) or type(state.get("format")) is not int or state["format"] < 1:
        raise GanctlError(
            f"{path} is not a ganctl checkpoint.", "See: ganctl sample --help", status=CHECKPOINT
        )
    if state["format"] > FORMAT:
        version = state.get("ganctl")
        known = f" ({version})" if isinstance(version, str) and SAFE_TEXT.fullmatch(version) else ""
        raise GanctlError(
            f"{path} was written by a later version of ganctl{known}.",
            "Update ganctl: pip install -U ganctl",
            status=CHECKPOINT,
        )
    check(state, path)
    return state


def seal(archive: bytes) -> bytes:
    """Return ``archive`` with the digest of its bytes in the archive comment."""
    if not archive.endswith(ZIP_END):
        raise ValueError("the archive already has a comment")
    body = archive[: -len(ZIP_END)] + struct.pack("<H", SEAL_LENGTH)
    return body + SEAL + hashlib.sha256(body).hexdigest().encode()


def unseal(data: bytes, path: Path) -> bytes:
    """Return the archive that was passed to :func:`seal`.

    Raises:
        GanctlError: the digest is missing or does not match.
    """
    body, mark = data[:-SEAL_LENGTH], data[-SEAL_LENGTH:]
    if mark.startswith(SEAL) and hashlib.sha256(body).hexdigest().encode() == mark[len(SEAL) :]:
        return body[: -len(ZIP_END)] + ZIP_END
    if not data:
        what = "is empty"
    elif mark.startswith(SEAL) or data.startswith(b"PK\x03\x04"):
        what = "is damaged: it was truncated or changed after it was written, or was not written by ganctl"
    else:
        what = "is not a ganctl checkpoint"
    raise GanctlError(
        f"{path} {what}.",
        "Copy it again from its source, or use another checkpoint of the run.",
        status=CHECKPOINT,
    )


def output_name(checkpoint: Path) -> str:
    """Return a file name prefix for files created from ``checkpoint``: the name of its run (if any) and the step."""
    folder = checkpoint.resolve().parent
    run = Run(folder.parent)
    if folder.name == run.checkpoints_dir.name and run.config_file.is_file():
        return f"{run.name}-{checkpoint.stem}"
    return checkpoint.stem


def find_checkpoint(path: Path) -> Path:
    """Return ``path`` if it is a file, and otherwise the newest checkpoint in the folder ``path``."""
    if not path.is_dir():
        return path
    found = Run(path).checkpoints or files_by_step(path, CHECKPOINT_NAME)
    if not found:
        raise GanctlError(
            f"{path} contains no checkpoint.",
            "Give a .pt file or a run folder, such as runs/00001-dcgan-mnist.",
            status=CHECKPOINT,
        )
    return found[-1]
