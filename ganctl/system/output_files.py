"""Output files of commands. Each file records its inputs, so that a command replaces only a file with the same inputs.

The record is plain text near the beginning or the end of the file, for example the text of a PNG file or the comment
of a GIF, an MP4, a NumPy archive or a page. Therefore, the same search works for every format.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ganctl.errors import USAGE, GanctlError
from ganctl.system.files import read_regular

MARK = "ganctl inputs "
SEARCHED = 1 << 16  # bytes to search at the beginning and at the end of a file
LONGEST_NAME = 200  # bytes of a default name; file systems allow 255, including a number and a suffix


def record(command: str, options: Mapping[str, object], sources: Iterable[Path] = ()) -> str:
    """Return the text that records a command's inputs in its output file.

    Args:
        command: name of the command.
        options: options that determine the content of the output. Their values must be JSON-compatible.
        sources: input files and folders of the output. Files are identified by content, and folders by path.
    """
    digest = hashlib.sha256(json.dumps([command, options], sort_keys=True).encode())
    for source in sources:
        content = read_regular(source) if source.is_file() else os.fsencode(source.resolve())
        digest.update(hashlib.sha256(content).digest())
    return MARK + digest.hexdigest()


def default_file(folder: Path, name: str, suffix: str, made_from: str) -> Path:
    """Return the path ``folder/name.suffix``. A number is appended to the name if a different file already exists.

    A file with the record ``made_from`` is not different and may be replaced.

    Args:
        name: file name without suffix. Unsafe characters are replaced with hyphens.
        suffix: suffix, such as ``".png"``.
    """
    name = re.sub(r"[^\w.,=+@-]+", "-", name).encode(errors="replace")[:LONGEST_NAME].decode(errors="ignore")
    path, number = folder / f"{name}{suffix}", 1
    while _is_other_file(path, made_from):
        number += 1
        path = folder / f"{name}-{number}{suffix}"
    return path


def check_replaceable(path: Path, made_from: str, *, force: bool) -> None:
    """Raise a GanctlError if ``path`` is a file that was not created from the same inputs, unless ``force`` is set.

    A path without a suffix is a folder and is not checked.
    """
    if path.suffix and not force and _is_other_file(path, made_from):
        raise GanctlError(
            f"{path} exists and was not created from the same inputs.",
            "Choose another name, or replace the file with --force.",
            status=USAGE,
        )


def check_distinct(outputs: Iterable[tuple[str, Path]]) -> None:
    """Raise a GanctlError if two of ``outputs``, which are pairs of an option and a path, are the same file."""
    options: dict[Path, str] = {}
    for option, path in outputs:
        if (first := options.get(path.resolve())) is not None:
            raise GanctlError(
                f"{path} would be written twice, by {first} and by {option}.",
                "Choose two names.",
                status=USAGE,
            )
        options[path.resolve()] = option


def _is_other_file(path: Path, made_from: str) -> bool:
    """Return True if ``path`` is a file without the record ``made_from``."""
    if not path.is_file():  # opening a pipe would block forever
        return os.path.lexists(path) and not path.is_dir()
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(SEARCHED)
            file.seek(max(size - SEARCHED, 0))
            return made_from.encode() not in start + b"\n" + file.read(SEARCHED)
    except OSError:
        return True
