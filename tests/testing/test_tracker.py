"""Test the checks of trackers: built-in trackers pass without being created, and mistakes are reported."""

from __future__ import annotations

from typing import Any

import pytest

import ganctl
from ganctl import testing
from ganctl.plugin import discovery


@pytest.mark.parametrize("name", discovery.registry().names("tracker"))
def test_builtin_trackers_pass(name: str) -> None:
    testing.assert_tracker(name)


class WithoutName(ganctl.Tracker):
    def __init__(self) -> None:
        raise AssertionError("a check must not make a tracker")

    def image(self, step: int, image: Any) -> None:  # type: ignore[override]
        pass


class Other:
    pass


def test_method_with_unexpected_arguments_is_a_failure() -> None:
    (failure,) = testing.check_tracker(WithoutName)
    assert "has a method image that does not accept the arguments of ganctl" in str(failure)
    assert failure.remedy == "Write: def image(self, step, name, image)"


def test_class_that_is_not_a_tracker_is_a_failure() -> None:
    assert "is not a ganctl.Tracker" in str(testing.check_tracker(Other)[0])
