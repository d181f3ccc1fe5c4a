"""Collect the results of checks: one failure with a remedy for each problem of a component."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from ganctl.errors import GanctlError

#: Folders whose stack frames are skipped when an error is located, because plugin authors cannot fix this code.
FOREIGN = (str(Path(torch.__file__).parent), str(Path(__file__).parent))


@dataclass(frozen=True)
class Failure:
    """A problem of a component and how to fix it.

    The text of a failure is a sentence that begins with the component's name, followed by the remedy.
    """

    component: str  # as in "loss 'my-loss'"
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"The {self.component} {self.problem}\n    {self.remedy}"


class Broken(Exception):  # noqa: N818
    """A problem that ends the current check, because later steps would only report the same problem again."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem, self.remedy = problem, remedy


class Unavailable(Exception):  # noqa: N818
    """The component cannot be checked on this machine, such as a dataset that has not been downloaded."""


class Findings:
    """The failures of one component."""

    def __init__(self, component: str) -> None:
        self.component = component
        self.failures: list[Failure] = []

    def add(self, problem: str, remedy: str) -> None:
        """Add a failure unless the same failure has already been added."""
        failure = Failure(self.component, problem, remedy)
        if failure not in self.failures:
            self.failures.append(failure)

    @contextmanager
    def collect(self, situation: str) -> Iterator[None]:
        """Convert an exception in the body to a failure, so that the next check can run.

        Args:
            situation: Phrase in the message for when the body runs, such as ``"when it is built"``.
        """
        try:
            yield
        except Unavailable:
            raise
        except Broken as broken:
            self.add(broken.problem, broken.remedy)
        except GanctlError as error:
            remedy = error.hint or "Give the error a hint that states what to do."
            self.add(f"raises a GanctlError {situation}: {error.message}", remedy)
        except Exception as error:
            self.add(
                f"raises {type(error).__name__} {situation}{where(error)}: {first_line(error)}",
                "Fix this line. To report a user error, raise ganctl.GanctlError.",
            )


def where(error: BaseException) -> str:
    """Return the innermost line outside torch and this package, formatted as ``" (file.py, line 3)"``."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith((*FOREIGN, "<")):
            return f" ({Path(frame.filename).name}, line {frame.lineno})"
    return ""


def first_line(error: BaseException) -> str:
    """Return the first line of the message of ``error``, ending with a period."""
    return (str(error).strip().splitlines() or ["no message"])[0].rstrip(".") + "."
