"""Read the entry points of installed distributions. A distribution with unreadable metadata cannot hide the others."""

from __future__ import annotations

import os
from importlib.metadata import Distribution, EntryPoint, distribution, distributions

from ganctl.plugin.names import normalize


def read(group: str) -> tuple[list[EntryPoint], list[str]]:
    """Return the entry points of ``group``, and one line for each distribution whose entry points cannot be read.

    Such a distribution also breaks :func:`importlib.metadata.entry_points`, which torch and Triton call when they are
    imported, to find backends of third parties. If there is such a distribution, this function disables that search
    for this process and its subprocesses.
    """
    points: dict[str, list[EntryPoint]] = {}
    unreadable = []
    for found in distributions():
        try:
            own = [point for point in found.entry_points if point.group == group]
        except Exception as error:  # a parser reports a malformed file with almost any exception
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            unreadable.append(f"{_location(found)} has an unreadable entry_points.txt ({reason})")
            continue
        if own:
            # A distribution may be found in two folders. The first one in sys.path is imported.
            points.setdefault(normalize(name_and_version(found)[0]), own)
    if unreadable:
        os.environ.update(TORCH_DEVICE_BACKEND_AUTOLOAD="0", TRITON_BACKENDS_IN_TREE="1")
    return [point for name, own in points.items() if not _is_hidden(name, group) for point in own], unreadable


def name_and_version(found: Distribution | None) -> tuple[str, str]:
    """Return the name and version of a distribution: from its METADATA, or from its folder if METADATA is damaged."""
    try:
        name, version = found.name, found.version  # type: ignore[union-attr]
    except Exception:
        name = version = None
    folder, _, ending = os.path.basename(_location(found)).rpartition(".")
    parts = folder.split("-") if ending in ("dist-info", "egg-info") else []
    return name or "".join(parts[:1]) or "unknown", version or "".join(parts[1:2]) or "0"


def _is_hidden(name: str, group: str) -> bool:
    """Return whether another distribution of this name, without entry points of ``group``, precedes in sys.path."""
    try:
        return not any(point.group == group for point in distribution(name).entry_points)
    except Exception:  # its folder has another name, or its metadata is damaged
        return False


def _location(found: Distribution | None) -> str:
    return str(getattr(found, "_path", "")) or type(found).__name__
