"""Whether a plugin is made for this ganctl: the range in its distribution's ``Requires-Dist: ganctl…``."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint

from ganctl.errors import GanctlError
from ganctl.version import __version__


def check(point: EntryPoint, distribution: str) -> None:
    """Raise a GanctlError if the distribution of ``point`` asks for another ganctl than this one."""
    for text in _about_ganctl(point.dist):
        from packaging.requirements import InvalidRequirement, Requirement  # only now: most ask for any

        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if not requirement.specifier.contains(__version__, prereleases=True):
            raise GanctlError(
                f"it needs ganctl {requirement.specifier}, and this is ganctl {__version__}: "
                f"pip install -U ganctl {distribution}"
            )


@lru_cache(maxsize=64)  # a distribution may have many plugins, and parsing its metadata takes a millisecond
def _about_ganctl(distribution: Distribution | None) -> list[str]:
    """The requirements on ganctl that name a version; none where the metadata is damaged."""
    try:
        requires = distribution.requires or []  # type: ignore[union-attr]
    except Exception:
        return []
    return [
        text for text in requires if re.match(r"ganctl\s*(\[[^]]*\])?\s*\(?\s*[<>=!~]", text, re.IGNORECASE)
    ]
