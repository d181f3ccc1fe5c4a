"""Folders with consecutive numbers: ``runs/00001-dcgan-mnist``, ``runs/00002-…``."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

LONGEST_NAME = 200  # characters; file systems allow 255 for the number and the name


def create_numbered_folder(
    parent: Path, name: str, create: Callable[[Path], object] = Path.mkdir, *, default: str
) -> Path:
    """Create the folder ``NNNNN-name`` in ``parent``, with the next free number, and return its path.

    Characters that are not safe in a file name are replaced with hyphens, and long names are truncated. A lock ensures
    that processes that start at the same time get different numbers.

    Args:
        parent: parent directory. It is created if it does not exist.
        name: text after the number.
        create: function that creates a folder at a given path, for example by moving a finished folder there.
        default: name to use if ``name`` contains only unsafe characters.

    Raises:
        OSError: the folder cannot be created.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:LONGEST_NAME].strip("-.") or default
    parent.mkdir(parents=True, exist_ok=True)
    with FileLock(parent / ".lock"):
        numbers = [
            int(match[1]) for path in parent.iterdir() if (match := re.match(r"([0-9]{5,})-", path.name))
        ]
        path = parent / f"{max(numbers, default=0) + 1:05d}-{name}"
        create(path)
    return path
