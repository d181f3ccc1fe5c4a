"""Look up and build the component under test, and run the checks for its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ganctl.plugin import discovery, options
from ganctl.plugin.registry import Registry
from ganctl.testing.failures import Failure, Findings

#: A registered name, or the factory of a component.
Target = str | Callable[..., Any]


@dataclass(frozen=True)
class Subject:
    """The component under test, with its kind, name in messages, factory and options.

    ``distribution`` is the distribution of a registered component, or empty if only the factory was given.
    """

    kind: str
    name: str
    factory: Callable[..., Any]
    options: Mapping[str, Any]
    distribution: str = ""

    def __str__(self) -> str:
        return f"{self.kind} '{self.name}'"

    def make(self, **filled_in: Any) -> Any:
        """Build the component in the same way as ganctl."""
        resolved = options.resolve(self.kind, self.name, self.factory, self.options)
        if self.kind == "regularizer":
            resolved.pop("every")  # ganctl adds this option
        return options.call(self.factory, resolved, **filled_in)


def look_up(kind: str, target: Target, given: Mapping[str, Any], registry: Registry) -> Subject:
    """Return the component for ``target``, which is a name or a factory.

    Raises:
        GanctlError: There is no component with this name, or the component cannot be imported.
    """
    if isinstance(target, str):
        found = registry.get(kind, target)
        return Subject(kind, found.name, found.load(), given, found.distribution)
    return Subject(kind, target_name(target), target, given)


def target_name(target: Target) -> str:
    """Return the name of ``target`` in messages."""
    if isinstance(target, str):
        return target.rpartition(":")[2]
    return getattr(target, "__name__", type(target).__name__)


def run_check(
    kind: str,
    target: Target,
    given: Mapping[str, Any],
    registry: Registry | None,
    check: Callable[[Subject, Findings, Registry], None],
) -> list[Failure]:
    """Look up a component with the options ``given``, pass it to ``check``, and return the failures.

    Args:
        registry: Registry in which names are looked up. By default, the registry of installed plugins.
    """
    registry = registry or discovery.registry()
    findings = Findings(f"{kind} '{target_name(target)}'")
    with findings.collect("when it is imported"):
        subject = look_up(kind, target, given, registry)
    if not findings.failures:
        check(subject, findings, registry)
    return findings.failures
