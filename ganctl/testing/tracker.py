"""Check a tracker without creating an instance, because a tracker may send data to a service."""

from __future__ import annotations

import inspect

from ganctl.plugin.registry import Registry
from ganctl.testing.component_under_test import Subject, Target, run_check
from ganctl.testing.failures import Broken, Failure, Findings
from ganctl.training.trackers import Tracker

METHODS = ("scalars", "image", "checkpoint", "close")


def check_tracker(tracker: Target, /, *, registry: Registry | None = None) -> list[Failure]:
    """Check that a tracker is a :class:`ganctl.Tracker` whose methods accept the arguments that ganctl passes.

    No instance is created, so nothing is sent. A factory function is only imported.

    Args:
        tracker: Registered name or factory of the tracker.
        registry: Registry in which names are looked up. By default, the registry of installed plugins.
    """
    return run_check("tracker", tracker, {}, registry, lambda subject, findings, _: _check(subject, findings))


def _check(subject: Subject, findings: Findings) -> None:
    if not inspect.isclass(subject.factory):
        return
    with findings.collect("when its class is checked"):
        if not issubclass(subject.factory, Tracker):
            raise Broken("is not a ganctl.Tracker.", "Derive its class from ganctl.Tracker.")
    if findings.failures:
        return
    for name in METHODS:
        expected = inspect.signature(getattr(Tracker, name)).parameters
        try:
            inspect.signature(getattr(subject.factory, name)).bind(*expected)
        except TypeError:
            findings.add(
                f"has a method {name} that does not accept the arguments of ganctl.",
                f"Write: def {name}({', '.join(expected)})",
            )
