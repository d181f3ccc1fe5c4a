"""Checkpoints: one file that is there whole or not at all, runs no code when loaded, and is verified first.

The file is what :func:`torch.save` writes, a zip archive, with the SHA-256 of its bytes in the archive's
comment. Torch itself loads a flipped bit in silence; ganctl reads nothing before the digest fits.
"""

from __future__ import annotations

import hashlib
import io
import struct
from pathlib import Path
from typing import Any

import torch

from ganctl.errors import CHECKPOINT, GanctlError
from ganctl.runs.checkpoint_schema import check
from ganctl.runs.folder import Run
from ganctl.system.files import write_atomically

FORMAT = 1
SEAL = b"ganctl-sha256:"
SEAL_LENGTH = len(SEAL) + 64
ZIP_END = struct.pack("<H", 0)  # an archive without a comment ends in its length, 0


def save(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` to ``path``, atomically: after a crash at any moment the old file or the new one is there.

    Raises:
        GanctlError: the disk is full or the folder cannot be written; what was there before still is.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    write_atomically(path, seal(buffer.getvalue()))


def load(path: Path) -> dict[str, Any]:
    """The state in ``path``, on the CPU. No code in it is run, whoever made it.

    Raises:
        GanctlError: with status ``CHECKPOINT``: no such file, damaged, not a checkpoint, or of a later ganctl.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise GanctlError(
            f"Cannot read the checkpoint {path}: {error.strerror}.",
            "Checkpoints lie in a run's folder: runs/*/checkpoints/*.pt",
            status=CHECKPOINT,
        ) from error
    archive = unseal(data, path)
    try:
        state = torch.load(io.BytesIO(archive), map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # torch's text advises weights_only=False; that must never reach a user
        raise GanctlError(
            f"{path} is not a checkpoint of ganctl: it holds more than tensors and plain values.",
            "It could run code when loaded, so nothing of it was. Do not use it unless you know who made it.",
            status=CHECKPOINT,
        ) from error
    if not isinstance(state, dict) or not isinstance(state.get("format"), int):
        raise GanctlError(
            f"{path} is not a checkpoint of ganctl.", "See: ganctl sample --help", status=CHECKPOINT
        )
    if state["format"] > FORMAT:
        raise GanctlError(
            f"{path} was written by a later ganctl ({state.get('ganctl', 'unknown')}).",
            "Update this one: pip install -U ganctl",
            status=CHECKPOINT,
        )
    check(state, path)
    return state


def seal(archive: bytes) -> bytes:
    """``archive`` with the digest of its bytes as its comment."""
    if not archive.endswith(ZIP_END):
        raise ValueError("the archive already has a comment")
    body = archive[: -len(ZIP_END)] + struct.pack("<H", SEAL_LENGTH)
    return body + SEAL + hashlib.sha256(body).hexdigest().encode()


def unseal(data: bytes, path: Path) -> bytes:
    """``data`` as it was before :func:`seal`.

    Raises:
        GanctlError: the digest is missing or does not fit.
    """
    body, mark = data[:-SEAL_LENGTH], data[-SEAL_LENGTH:]
    if mark.startswith(SEAL) and hashlib.sha256(body).hexdigest().encode() == mark[len(SEAL) :]:
        return body[: -len(ZIP_END)] + ZIP_END
    if not data:
        what = "is empty"
    elif mark.startswith(SEAL) or data.startswith(b"PK\x03\x04"):
        what = "is damaged: cut short or changed since it was written, or not written by ganctl"
    else:
        what = "is not a checkpoint of ganctl"
    raise GanctlError(
        f"{path} {what}.",
        "Copy it again from where it came, or take another of the run's checkpoints.",
        status=CHECKPOINT,
    )


def find_checkpoint(path: Path) -> Path:
    """``path`` itself, or the newest checkpoint of the run folder that it is."""
    if not path.is_dir():
        return path
    found = Run(path).checkpoints or sorted(path.glob("step-*.pt"))
    if not found:
        raise GanctlError(
            f"{path} holds no checkpoint.",
            "Give a .pt file or a run folder, as in runs/00001-dcgan-mnist.",
            status=CHECKPOINT,
        )
    return found[-1]
