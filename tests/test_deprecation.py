from __future__ import annotations

import warnings

import pytest

from ganctl import deprecation
from ganctl.deprecation import GanctlDeprecationWarning, deprecated


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deprecation, "_warned", set())


def old() -> int:
    deprecated("ganctl.old()", use="ganctl.new()", since="0.9")
    return 3


def test_it_works_and_says_what_to_use_and_until_when() -> None:
    with pytest.warns(GanctlDeprecationWarning) as caught:
        assert old() == 3
    assert str(caught[0].message) == (
        "ganctl.old() is deprecated since ganctl 0.9 and goes with 0.10. Use ganctl.new()."
    )
    assert caught[0].filename == __file__, "where it is called from"


def test_once_a_process_for_each_name() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            old()
        deprecated("another", use="this", since="1.0.2")
    assert [str(w.message).split()[0] for w in caught] == ["ganctl.old()", "another"]
    assert "goes with 1.1." in str(caught[1].message)


def test_users_see_it_without_asking() -> None:
    """Python hides DeprecationWarning outside of __main__."""
    assert not issubclass(GanctlDeprecationWarning, (DeprecationWarning, PendingDeprecationWarning))
