"""Read the entry points of installed distributions. Unreadable metadata does not affect other distributions."""

from __future__ import annotations

import os
from importlib.metadata import Distribution, EntryPoint, distribution, distributions

from ganctl.plugin.names import normalize


def read(group: str) -> tuple[list[EntryPoint], list[str]]:
    """Return the entry points in ``group``, and one line for each distribution whose entry points cannot be read.

    Such a distribution also breaks :func:`importlib.metadata.entry_points`, which torch and Triton call on import to
    find third-party backends. If there is such a distribution, this function disables the search for backends in this
    process and its subprocesses.
    """
    points: dict[str, list[EntryPoint]] = {}
    unreadable = []
    for found in distributions():
        try:
            own = [point for point in found.entry_points if point.group == group]
        except Exception as error:  # parsers raise many types of exceptions for a malformed file
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            unreadable.append(f"{_location(found)} has an unreadable entry_points.txt ({reason})")
            continue
        if own:
            # A distribution may be found in two folders. Python imports the first one in sys.path.
            points.setdefault(normalize(name_and_version(found)[0]), own)
    if unreadable:
        os.environ.update(TORCH_DEVICE_BACKEND_AUTOLOAD="0", TRITON_BACKENDS_IN_TREE="1")
    return [point for name, own in points.items() if not _is_hidden(name, group) for point in own], unreadable


def name_and_version(found: Distribution | None) -> tuple[str, str]:
    """Return a distribution's name and version from METADATA, or from the folder name if METADATA is damaged."""
    try:
        name, version = found.name, found.version  # type: ignore[union-attr]
    except Exception:
        name = version = None
    folder, _, ending = os.path.basename(_location(found)).rpartition(".")
    parts = folder.split("-") if ending in ("dist-info", "egg-info") else []
    return name or "".join(parts[:1]) or "unknown", version or "".join(parts[1:2]) or "0"


def _is_hidden(name: str, group: str) -> bool:
    """Return whether another distribution with this name and no entry points in ``group`` is earlier in sys.path."""
    try:
        return not any(point.group == group for point in distribution(name).entry_points)
    except Exception:  # the folder name differs, or the metadata is damaged
        return False


def _location(found: Distribution | None) -> str:
    return str(getattr(found, "_path", "")) or type(found).__name__
