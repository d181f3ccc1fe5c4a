"""Progress of long operations: a bar on a terminal, plain lines elsewhere, or nothing with ``--quiet``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, TextIO, cast

from ganctl.system.terminal import can_redraw

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

SECONDS_BETWEEN_LINES = 10.0
MIN_BAR_AND_TIME = 18  # columns that a bar needs in addition to its title and numbers
Advance = Callable[[int], None]


def print_warnings(messages: Iterable[str]) -> None:
    """Print ``messages`` on stderr, even with ``--quiet``."""
    for message in messages:
        print(f"warning: {message}", file=_Stderr(sys.stderr), flush=True)


class Reporter(Protocol):
    """Protocol for objects that show the progress of long operations."""

    def say(self, text: str) -> None:
        """Print one line."""

    def bar(
        self, title: str, total: int, done: int = 0, *, seconds: bool = False
    ) -> AbstractContextManager[Advance]:
        """Count from ``done`` to ``total``. Call the context's value with the number of items that were just finished.

        Args:
            seconds: True if the items are seconds.
        """

    def show(self, values: Mapping[str, str]) -> None:
        """Set the values to show next to the bar."""


def make_reporter(*, quiet: bool = False, verbose: bool = False) -> Reporter:
    """Return the reporter for stderr: a bar on a terminal or in a notebook, otherwise lines."""
    if quiet:
        return NullReporter()
    if can_redraw(sys.stderr):
        return BarReporter()
    return LineReporter(verbose=verbose)


class NullReporter:
    """Prints nothing."""

    def say(self, text: str) -> None:
        pass

    @contextmanager
    def bar(self, title: str, total: int, done: int = 0, *, seconds: bool = False) -> Iterator[Advance]:
        yield lambda n: None

    def show(self, values: Mapping[str, str]) -> None:
        pass


class LineReporter:
    """Reporter that prints plain lines on stderr at intervals."""

    def __init__(self, *, verbose: bool = False) -> None:
        self._pause = 0.0 if verbose else SECONDS_BETWEEN_LINES
        self._values = ""
        self._fresh = False

    def say(self, text: str) -> None:
        print(text, file=_Stderr(sys.stderr), flush=True)

    @contextmanager
    def bar(self, title: str, total: int, done: int = 0, *, seconds: bool = False) -> Iterator[Advance]:
        started = printed = time.monotonic()
        first, count = done, done

        def advance(n: int) -> None:
            nonlocal count, printed
            count += n
            now = time.monotonic()
            due = now - printed >= self._pause if self._pause else self._fresh
            if due or (count >= total and self._fresh):
                left = float(total - count)
                if not seconds:
                    left *= (now - started) / max(count - first, 1)
                values = (
                    f"{self._values}  " if self._fresh else ""
                )  # do not repeat values that have not changed
                of = f"{clock(count)} of {clock(total)}" if seconds else f"{count}/{total}"
                self.say(f"{title} {of}  {values}{clock(left)} left")
                printed, self._fresh = now, False

        yield advance
        self._values = ""

    def show(self, values: Mapping[str, str]) -> None:
        self._values = "  ".join(f"{name} {value}" for name, value in values.items())
        self._fresh = True


class BarReporter:
    """Reporter with Rich progress bars on stderr."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console: Console = Console(file=cast(TextIO, _Stderr(sys.stderr)), highlight=False)
        self._show: Callable[[str], None] = lambda text: None

    def say(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def bar(self, title: str, total: int, done: int = 0, *, seconds: bool = False) -> Iterator[Advance]:
        from rich.markup import escape
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            ProgressColumn,
            Task,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.text import Text

        class TwoLines(Progress):
            """A bar with the values on a second line, because one line of a narrow terminal is too short for both."""

            values = ""

            def get_renderables(self) -> Iterator[RenderableType]:
                yield self.make_tasks_table(self.tasks)
                if self.values:
                    yield Text(self.values, no_wrap=True, overflow="ellipsis")

        class Clock(ProgressColumn):
            def render(self, task: Task) -> Text:
                return Text(f"{clock(task.completed)} of {clock(task.total or 0)}")

        room = self.console.width - 2 * len(str(total)) - MIN_BAR_AND_TIME
        shortened = title if len(title) <= room else f"{title[: max(room - 1, 0)]}…"
        columns = (
            TextColumn(escape(shortened)),
            BarColumn(bar_width=None),
            *((Clock(),) if seconds else (MofNCompleteColumn(), TimeRemainingColumn())),
        )
        with TwoLines(*columns, console=self.console, expand=True) as progress:
            task = progress.add_task(title, total=total, completed=done)
            self._show = lambda text: setattr(progress, "values", text)
            try:
                yield lambda n: progress.advance(task, n)
            finally:
                self._show = lambda text: None

    def show(self, values: Mapping[str, str]) -> None:
        self._show("  ".join(f"{name} {value}" for name, value in values.items()))


class _Stderr:
    """Wrapper of stderr that never raises an error, because a closed terminal must not stop a training run."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream  # Rich replaces sys.stderr later

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


@contextmanager
def as_callback(reporter: Reporter) -> Iterator[Callable[[str, int, int], None]]:
    """Yield a callback with arguments (title, done, total) that shows a bar of ``reporter`` for each new title."""
    with ExitStack() as stack:
        current: list[Any] = ["", 0, None]

        def progress(title: str, done: int, total: int) -> None:
            if title != current[0]:
                stack.close()
                current[:] = [title, 0, stack.enter_context(reporter.bar(title, total))]
            current[2](done - current[1])
            current[1] = done

        yield progress


def clock(seconds: float) -> str:
    """Return ``seconds`` as ``"1:02:03"`` or ``"2:03"``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
