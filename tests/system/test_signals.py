"""Test signal handling, with and without state to save."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
from typing import Any

import pytest

from ganctl.system import signals
from ganctl.system.signals import Interrupted, StopSignals

STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep SIGHUP from closing the terminal that shows the test output."""
    monkeypatch.setattr(signals, "_leave_terminal", lambda: None)


def send(signum: int) -> None:
    os.kill(os.getpid(), signum)


@pytest.mark.parametrize("signum", STATUS)
def test_signal_takes_effect_immediately_if_there_is_nothing_to_save(signum: signal.Signals) -> None:
    with StopSignals() as stop, pytest.raises(Interrupted) as raised:
        send(signum)
    assert raised.value.status == STATUS[signum]
    assert stop.requested


@pytest.mark.parametrize("signum", STATUS)
def test_signal_is_deferred_if_there_is_something_to_save(
    signum: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    with StopSignals() as stop:
        stop.deferring = True
        assert not stop.requested
        stop.check()
        send(signum)
        assert stop.requested
        with pytest.raises(Interrupted) as raised:
            stop.check()
    assert raised.value.status == STATUS[signum]
    assert "Press Ctrl-C again" in capsys.readouterr().err


@pytest.mark.parametrize("first", STATUS)
@pytest.mark.parametrize("second", STATUS)
def test_second_signal_exits_immediately_with_its_own_status(
    first: signal.Signals, second: signal.Signals
) -> None:
    with StopSignals() as stop:
        stop.deferring = True
        send(first)
        with pytest.raises(Interrupted) as raised:
            send(second)
    assert raised.value.status == STATUS[second]


def test_check_raises_an_ignored_interruption_again() -> None:
    """Python may raise the interruption in a callback in which exceptions are ignored."""
    with StopSignals() as stop:
        with contextlib.suppress(BaseException):
            send(signal.SIGTERM)
        with pytest.raises(Interrupted):
            stop.check()


def test_interruption_is_not_caught_by_except_exception() -> None:
    assert issubclass(Interrupted, KeyboardInterrupt)
    assert not issubclass(Interrupted, Exception)


def test_closed_terminal_is_ignored_with_nohup() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as stop:
            stop.deferring = True
            send(signal.SIGHUP)
        assert not stop.requested
    finally:
        signal.signal(signal.SIGHUP, before)


def test_previous_handlers_are_restored() -> None:
    before = [signal.getsignal(signum) for signum in STATUS]
    with StopSignals():
        assert [signal.getsignal(signum) for signum in STATUS] != before
    assert [signal.getsignal(signum) for signum in STATUS] == before
    with pytest.raises(ZeroDivisionError), StopSignals():
        1 / 0  # noqa: B018
    assert [signal.getsignal(signum) for signum in STATUS] == before


def test_signals_are_not_handled_in_another_thread() -> None:
    """Only the main thread can install signal handlers."""
    requested = []

    def work() -> None:
        with StopSignals() as stop:
            requested.append(stop.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert requested == [False]


@pytest.mark.parametrize(
    "error", [RuntimeError("reentrant call"), BrokenPipeError(32, "Broken pipe"), ValueError("closed")]
)
def test_unwritable_stderr_is_ignored(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal may interrupt a write to stderr, or stderr may be closed."""

    class Busy(io.StringIO):
        def write(self, text: str) -> Any:
            raise error

    with StopSignals() as stop:
        stop.deferring = True
        monkeypatch.setattr(sys, "stderr", Busy())
        send(signal.SIGTERM)
        assert stop.requested


@pytest.mark.parametrize(
    "error", [AttributeError("module 'sympy' has no attribute 'logic'"), ImportError("x")]
)
def test_error_caused_by_a_signal_is_an_interruption(error: Exception) -> None:
    """An import interrupted by a signal may later fail with an exception of a different type."""

    def fail_after_signal() -> None:
        with StopSignals():
            with contextlib.suppress(BaseException):
                send(signal.SIGTERM)
            raise error

    with pytest.raises(Interrupted) as ended:
        fail_after_signal()
    assert ended.value.status == STATUS[signal.SIGTERM]
    assert ended.value.__cause__ is error


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_signal_during_imports_ends_the_process_without_cleanup() -> None:
    pid = os.fork()
    if pid == 0:
        try:
            with StopSignals() as stop, stop.importing():
                send(signal.SIGTERM)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == STATUS[signal.SIGTERM]
