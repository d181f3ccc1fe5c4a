"""What a forked ganctl is made to do: stop at a known place, so that a test can hit exactly that."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

SAVE_STAGES = ("opened", "half written", "written", "synced", "renamed", "pruning")


def start_at(moment: float) -> None:
    """Wait for ``moment`` (of time.time), so that several begin at once."""
    time.sleep(max(0.0, moment - time.time()))


def no_curves() -> None:
    """Leave out curves.png, which takes longer than all the rest of a tiny run."""
    import ganctl.curves

    ganctl.curves.draw = lambda *args: None


def in_save(stage: str, nth: int, mark: str, seconds: float) -> None:
    """At ``stage`` of the ``nth`` checkpoint's save, make the file ``mark`` and take ``seconds``."""
    count, saving = 0, False
    fsync, replace, open_, unlink = os.fsync, os.replace, Path.open, Path.unlink

    def at(reached: str) -> None:
        if reached == stage and saving and count == nth:
            _dwell(mark, seconds)

    def opened(self: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        nonlocal count, saving
        file = open_(self, mode, *args, **options)
        saving = self.name.startswith(".step-")
        if saving and mode == "wb":
            count += 1
            at("opened")
            return _Halting(file, lambda: at("half written"))
        return file

    def synced(descriptor: int) -> None:
        at("written")
        fsync(descriptor)
        at("synced")

    def replaced(source: Any, target: Any) -> None:
        replace(source, target)
        at("renamed")

    def unlinked(self: Path, *args: Any, **options: Any) -> None:
        if self.name.startswith("step-"):
            at("pruning")
        unlink(self, *args, **options)

    os.fsync, os.replace = synced, replaced
    Path.open, Path.unlink = opened, unlinked  # type: ignore[method-assign, assignment]


class _Halting:
    """A file that writes the first half of what it is given, and halts before the second."""

    def __init__(self, file: Any, halt: Any) -> None:
        self._file, self._halt = file, halt

    def __enter__(self) -> _Halting:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        self._file.write(data[: len(data) // 2])
        self._file.flush()
        self._halt()
        self._file.write(data[len(data) // 2 :])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def in_making_the_folder(mark: str, seconds: float) -> None:
    """Once the run folder is made, and before its settings are in it, make the file ``mark`` and take ``seconds``."""
    from ganctl.run import Run

    make = Run._with_folders

    def slow(self: Run) -> Run:
        run = make(self)
        _dwell(mark, seconds)
        return run

    Run._with_folders = slow  # type: ignore[method-assign]


def in_sampling(nth: int, mark: str, seconds: float) -> None:
    """In the ``nth`` sampling pass of a training, make the file ``mark`` and take ``seconds``."""
    from ganctl import training

    count, generate = 0, training.generate

    def slow(*args: Any) -> Any:
        nonlocal count
        count += 1
        if count == nth:
            _dwell(mark, seconds)
        return generate(*args)

    training.generate = slow


def _dwell(mark: str, seconds: float) -> None:
    Path(mark).touch()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)


def only_make(out: str, moment: float) -> None:
    """Make the run folder ``out`` at ``moment`` and leave: 0 if that worked, else the error's status."""
    from ganctl import GanctlError
    from ganctl.run import Run

    start_at(moment)
    try:
        Run.create(Path(out))
    except GanctlError as error:
        raise SystemExit(error.status) from None
    raise SystemExit(0)
