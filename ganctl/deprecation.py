"""Names on their way out: they work for one more minor release, and say what to use instead."""

from __future__ import annotations

import warnings

_warned: set[str] = set()


class GanctlDeprecationWarning(FutureWarning):
    """Shown to everybody: it concerns whoever runs a plugin, and not only its author."""


def deprecated(what: str, *, use: str, since: str) -> None:
    """Warn, once a process, that ``what`` goes with the minor release after ``since``.

    Call it from what is deprecated; the warning points to the caller of that.

    Args:
        what: as its users know it, such as ``"ganctl.logits(D, x)"`` or ``"--old-option"``.
        use: what to write instead, or to do.
        since: the version that warns first, such as ``"0.3"``.
    """
    if what in _warned:
        return
    _warned.add(what)
    major, minor = since.split(".")[:2]
    text = f"{what} is deprecated since ganctl {since} and goes with {major}.{int(minor) + 1}. Use {use}."
    warnings.warn(text, GanctlDeprecationWarning, stacklevel=3)
