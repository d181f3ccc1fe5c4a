"""Arguments that a component requests by naming them in its signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def requests(function: Callable[..., Any], name: str) -> bool:
    """Return whether ``function`` has a parameter ``name`` that can be passed by keyword."""
    parameter = inspect.signature(function).parameters.get(name)
    return parameter is not None and parameter.kind in (
        parameter.POSITIONAL_OR_KEYWORD,
        parameter.KEYWORD_ONLY,
    )


def requested(function: Callable[..., Any], **available: Any) -> dict[str, Any]:
    """Return the values in ``available`` for which ``function`` has a parameter."""
    return {name: value for name, value in available.items() if requests(function, name)}
