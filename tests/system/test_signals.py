"""What a signal does before there is something to save, and after."""

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
    """SIGHUP here means no more than its handler's call: the terminal that shows the tests stays."""
    monkeypatch.setattr(signals, "_leave_terminal", lambda: None)


def send(signum: int) -> None:
    os.kill(os.getpid(), signum)


@pytest.mark.parametrize("signum", STATUS)
def test_with_nothing_to_save_it_leaves_at_once(signum: signal.Signals) -> None:
    with StopSignals() as stop, pytest.raises(Interrupted) as left:
        send(signum)
    assert left.value.status == STATUS[signum]
    assert stop.requested


@pytest.mark.parametrize("signum", STATUS)
def test_with_something_to_save_it_is_remembered(
    signum: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    with StopSignals() as stop:
        stop.deferring = True
        assert not stop.requested
        stop.check()
        send(signum)
        assert stop.requested
        with pytest.raises(Interrupted) as left:
            stop.check()
    assert left.value.status == STATUS[signum]
    assert "Once more to leave at once" in capsys.readouterr().err


@pytest.mark.parametrize("first", STATUS)
@pytest.mark.parametrize("second", STATUS)
def test_a_second_leaves_at_once_and_counts(first: signal.Signals, second: signal.Signals) -> None:
    with StopSignals() as stop:
        stop.deferring = True
        send(first)
        with pytest.raises(Interrupted) as left:
            send(second)
    assert left.value.status == STATUS[second]


def test_one_that_was_swallowed_is_raised_again() -> None:
    """As when Python delivers it into a callback that may not raise."""
    with StopSignals() as stop:
        with contextlib.suppress(BaseException):
            send(signal.SIGTERM)
        with pytest.raises(Interrupted):
            stop.check()


def test_it_is_an_interrupt_that_except_exception_lets_pass() -> None:
    assert issubclass(Interrupted, KeyboardInterrupt)
    assert not issubclass(Interrupted, Exception)


def test_under_nohup_a_closed_terminal_is_nothing() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as stop:
            stop.deferring = True
            send(signal.SIGHUP)
        assert not stop.requested
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(signum) for signum in STATUS]
    with StopSignals():
        assert [signal.getsignal(signum) for signum in STATUS] != before
    assert [signal.getsignal(signum) for signum in STATUS] == before
    with pytest.raises(ZeroDivisionError), StopSignals():
        1 / 0  # noqa: B018
    assert [signal.getsignal(signum) for signum in STATUS] == before


def test_in_another_thread_it_does_nothing() -> None:
    """As in a notebook's worker: only the main thread may have handlers."""
    entered = []

    def work() -> None:
        with StopSignals() as stop:
            entered.append(stop.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [False]


@pytest.mark.parametrize(
    "error", [RuntimeError("reentrant call"), BrokenPipeError(32, "Broken pipe"), ValueError("closed")]
)
def test_a_stream_that_cannot_be_written_now_is_no_reason_to_fail(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal comes while stderr is being written to, or nobody reads it any more."""

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
    """An import that a signal interrupts may fail later with an exception of another type."""

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
def test_signal_during_imports_ends_the_process_without_cleaning_up() -> None:
    pid = os.fork()
    if pid == 0:
        try:
            with StopSignals() as stop, stop.importing():
                send(signal.SIGTERM)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == STATUS[signal.SIGTERM]
