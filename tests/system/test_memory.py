"""Test that out-of-memory errors state what needed too much memory."""

from __future__ import annotations

import pytest

from ganctl.errors import RESOURCES, GanctlError
from ganctl.system import memory
from ganctl.system.memory import Demand, allocating

SMALL = Demand("3 latents", 10, "Reduce --n.")
LARGE = Demand("batches of 9 images", 3 * 2**30, "Reduce --batch-size.")


def test_error_states_the_largest_memory_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 4 * 2**30)
    with pytest.raises(GanctlError) as caught, allocating(SMALL, LARGE):
        raise MemoryError("no room")
    assert caught.value.message == (
        "Out of memory: batches of 9 images need about 3.0 GiB; 4.0 GiB of main memory are free. (no room)"
    )
    assert (caught.value.hint, caught.value.status) == ("Reduce --batch-size.", RESOURCES)


def test_demand_larger_than_the_free_memory_is_refused_before_the_work_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 2**30)
    with pytest.raises(GanctlError, match="need about"), allocating(LARGE):
        pytest.fail("the work started")
    with allocating(LARGE, check=False):
        pass


def test_other_errors_are_unchanged() -> None:
    with pytest.raises(ZeroDivisionError), allocating(SMALL):
        print(1 / 0)
