"""Where numbers and pictures of a training go besides its folder. What fails there never stops the training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ganctl.plugin import options
from ganctl.plugin.registry import Registry
from ganctl.recipe import Spec

if TYPE_CHECKING:
    from PIL.Image import Image


class Tracker:
    """Shows a training somewhere: what a factory of ``register_trackers`` returns. Override what is of use.

    A method may raise: the user is told once, and the training goes on without this tracker.
    """

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers after ``step``: losses and D's answers, images per second, metrics."""

    def image(self, step: int, name: str, image: Image) -> None:
        """A PIL image after ``step``: ``name`` is ``"samples"`` or, once, ``"reals"``."""

    def close(self) -> None:
        """The training has ended, or was stopped."""


class Trackers(Tracker):
    """Several at once. One that raises is named to ``say``, closed and dropped."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._members: dict[str, Tracker] = {}

    def open(self, registry: Registry, specs: tuple[Spec, ...], **filled_in: Any) -> None:
        """Add a tracker for each of ``specs``; ``folder``, ``first_step`` and ``config`` are filled in."""
        for spec in specs:
            try:
                component = registry.get("tracker", spec.name)
                factory = component.load()
                resolved = options.resolve(f"tracker '{spec.name}'", factory, spec.options)
                self._members[spec.name] = options.call(factory, resolved, **filled_in)
            except Exception as error:
                self._drop(spec.name, error)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self._each(lambda tracker: tracker.scalars(step, values))

    def image(self, step: int, name: str, image: Image) -> None:
        self._each(lambda tracker: tracker.image(step, name, image))

    def close(self) -> None:
        self._each(lambda tracker: tracker.close())
        self._members.clear()

    def _each(self, do: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._members.items()):
            try:
                do(tracker)
            except Exception as error:
                self._drop(name, error)

    def _drop(self, name: str, error: Exception) -> None:
        tracker = self._members.pop(name, None)
        if tracker is not None:
            with suppress(Exception):
                tracker.close()
        why = " ".join(str(error).split()) or type(error).__name__
        self._say(f"warning: the tracker '{name}' failed ({why}); going on without it.")
