"""What a check finds, and what it needs to look at a component: one failure, one sentence, one remedy."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ganctl.errors import GanctlError
from ganctl.plugin import discovery, options
from ganctl.plugin.registry import Registry

#: Frames of these are not where an author looks for a mistake.
FOREIGN = (str(Path(torch.__file__).parent), str(Path(__file__).parent))


@dataclass(frozen=True)
class Failure:
    """What a component does not fulfil, as a sentence that begins with its name, and what to do about it."""

    component: str  # "loss 'my-loss'"
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"The {self.component} {self.problem}\n    {self.remedy}"


class Broken(Exception):  # noqa: N818
    """Ends a check: what follows would only repeat it."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem, self.remedy = problem, remedy


class NotHere(Exception):  # noqa: N818
    """What is to be checked cannot be had on this machine, as a dataset that was not downloaded."""


@dataclass(frozen=True)
class Subject:
    """The component under check: its name for messages, its factory and the options to build it with."""

    kind: str
    name: str
    factory: Callable[..., Any]
    options: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.kind} '{self.name}'"

    def make(self, **filled_in: Any) -> Any:
        """A new one, built as ganctl builds it."""
        resolved = options.resolve(str(self), self.factory, self.options)
        return options.call(self.factory, resolved, **filled_in)


def subject(
    kind: str,
    target: str | Callable[..., Any],
    given: Mapping[str, Any],
    registry: Registry | None = None,
) -> Subject:
    """The component that ``target`` names or is.

    Raises:
        GanctlError: there is none of that name, or it cannot be imported.
    """
    if isinstance(target, str):
        found = (registry or discovery.registry()).get(kind, target)
        return Subject(kind, found.name, found.load(), given)
    return Subject(kind, getattr(target, "__name__", type(target).__name__), target, given)


class Findings:
    """The failures of one component so far."""

    def __init__(self, component: str) -> None:
        self.component = component
        self.failures: list[Failure] = []

    def say(self, problem: str, remedy: str) -> None:
        failure = Failure(self.component, problem, remedy)
        if failure not in self.failures:
            self.failures.append(failure)

    @contextmanager
    def during(self, doing: str) -> Iterator[None]:
        """Whatever goes wrong within becomes a failure, and the next check goes on."""
        try:
            yield
        except NotHere:
            raise
        except Broken as broken:
            self.say(broken.problem, broken.remedy)
        except GanctlError as error:
            self.say(f"refuses {doing}: {error.message}", error.hint or "Say in the error's hint what to do.")
        except Exception as error:
            self.say(
                f"raises {type(error).__name__} {doing}{where(error)}: {first_line(error)}",
                "Mend that line; what a user has done wrong is told by raising ganctl.GanctlError.",
            )


def where(error: BaseException) -> str:
    """ " (file.py, line 3)" of the innermost frame that is neither torch's nor the kit's."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith((*FOREIGN, "<")):
            return f" ({Path(frame.filename).name}, line {frame.lineno})"
    return ""


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["without a message"])[0].rstrip(".") + "."


def assert_none(failures: list[Failure]) -> None:
    """Raise an AssertionError that tells every one of ``failures``."""
    if failures:
        raise AssertionError("\n\n" + "\n\n".join(map(str, failures)))
