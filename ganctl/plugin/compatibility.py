"""Check the version ranges in a distribution's ``Requires-Dist`` to see if its plugins support this ganctl version."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint

from ganctl.errors import GanctlError
from ganctl.version import __version__


def check(point: EntryPoint, distribution: str) -> None:
    """Raise a GanctlError if the distribution of ``point`` requires a different version of ganctl."""
    for text in _ganctl_requirements(point.dist):
        # Imported here because most plugins support any version of ganctl.
        from packaging.requirements import InvalidRequirement, Requirement

        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if not requirement.specifier.contains(__version__, prereleases=True):
            raise GanctlError(
                f"it requires ganctl {requirement.specifier}, but ganctl {__version__} is installed: "
                f"pip install -U ganctl {distribution}"
            )


@lru_cache(maxsize=64)  # parsing metadata takes a millisecond, and a distribution may have many plugins
def _ganctl_requirements(distribution: Distribution | None) -> list[str]:
    """Return the requirements that restrict ganctl's version, or an empty list if the metadata is damaged."""
    try:
        requires = distribution.requires or []  # type: ignore[union-attr]
    except Exception:
        return []
    return [
        text for text in requires if re.match(r"ganctl\s*(\[[^]]*\])?\s*\(?\s*[<>=!~]", text, re.IGNORECASE)
    ]
