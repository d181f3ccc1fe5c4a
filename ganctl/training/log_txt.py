"""``log.txt``: every line that a run printed, its losses, and the traceback of the error that ended it, with times."""

from __future__ import annotations

import io
import traceback
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path

import torch

from ganctl.errors import GanctlError
from ganctl.system.files import disk_error
from ganctl.system.progress import Advance, Reporter
from ganctl.version import __version__


class LoggingReporter:
    """A reporter that also appends every line to a file."""

    def __init__(self, reporter: Reporter, file: io.FileIO) -> None:
        self._reporter, self._file = reporter, file

    def say(self, text: str) -> None:
        self._reporter.say(text)
        self.write(text)

    def bar(
        self, title: str, total: int, done: int = 0, *, seconds: bool = False
    ) -> AbstractContextManager[Advance]:
        return self._reporter.bar(title, total, done, seconds=seconds)

    def show(self, values: Mapping[str, str]) -> None:
        """Show ``values`` next to the bar, which counts the steps, and append them to the file with their step."""
        self._reporter.show({name: value for name, value in values.items() if name != "step"})
        self.write("  ".join(f"{name} {value}" for name, value in values.items()))

    def write(self, text: str) -> None:
        """Append ``text`` to the file only."""
        line = f"{datetime.now():%Y-%m-%d %H:%M:%S}  {text}\n"
        try:
            self._file.write(line.encode(errors="replace"))
        except OSError as error:
            raise disk_error(Path(self._file.name), error) from error


@contextmanager
def log_file(path: Path, reporter: Reporter) -> Iterator[LoggingReporter]:
    """Copy the lines of ``reporter`` to the file at ``path``, and the traceback of an error raised in the block."""
    with _open(path) as file:
        logging = LoggingReporter(reporter, file)
        logging.write(f"ganctl {__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads")
        try:
            yield logging
        except BaseException as error:
            with suppress(GanctlError):  # a full disk must not hide the first error
                if not isinstance(error, KeyboardInterrupt):
                    logging.write("".join(traceback.format_exception(error)))
                elif not getattr(error, "reported", False):
                    logging.write("Interrupted.")
            raise


def _open(path: Path) -> io.FileIO:
    # Unbuffered: bytes that did not fit on a full disk must not be written again when the file is closed.
    try:
        return path.open("ab", buffering=0)
    except OSError as error:
        raise disk_error(path, error) from error
