"""Show a run in trackers, in addition to its folder. A tracker that fails never stops training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganctl.plugin import options
from ganctl.plugin.registry import Registry
from ganctl.recipe import Spec

if TYPE_CHECKING:
    from PIL.Image import Image


class Tracker:
    """Base class of trackers, which factories of ``register_trackers`` return. Override the methods that you need.

    A method may raise an exception: ganctl then prints one warning and continues to train without this tracker.
    """

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Record numbers after ``step``: losses, outputs of D, images per second, metrics."""

    def image(self, step: int, name: str, image: Image) -> None:
        """Record a PIL image after ``step``. ``name`` is ``"samples"`` or, once per run, ``"reals"``."""

    def checkpoint(self, step: int, path: Path) -> None:
        """Record that the checkpoint of ``step`` was saved in the file ``path``."""

    def close(self) -> None:
        """Release resources. Called once, when training ends for any reason.

        ``status.json`` in the run folder then has the final state.
        """


class Trackers(Tracker):
    """All trackers of a run. A tracker that raises an exception is closed and dropped after one warning.

    Args:
        log: function that receives the warning.
    """

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._trackers: dict[str, Tracker] = {}

    def open(self, registry: Registry, specs: tuple[Spec, ...], **filled_in: Any) -> None:
        """Add a tracker for each of ``specs``, whose options are resolved.

        Args:
            filled_in: ``folder``, ``first_step`` and ``config``.
        """
        for spec in specs:
            try:
                factory = registry.get("tracker", spec.name).load()
                self._trackers[spec.name] = options.call(factory, spec.options, **filled_in)
            except Exception as error:
                self._drop(spec.name, error)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self._for_each(lambda tracker: tracker.scalars(step, values))

    def image(self, step: int, name: str, image: Image) -> None:
        self._for_each(lambda tracker: tracker.image(step, name, image))

    def checkpoint(self, step: int, path: Path) -> None:
        self._for_each(lambda tracker: tracker.checkpoint(step, path))

    def close(self) -> None:
        self._for_each(lambda tracker: tracker.close())
        self._trackers.clear()

    def _for_each(self, call: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            try:
                call(tracker)
            except Exception as error:
                self._drop(name, error)

    def _drop(self, name: str, error: Exception) -> None:
        tracker = self._trackers.pop(name, None)
        if tracker is not None:
            with suppress(Exception):
                tracker.close()
        reason = " ".join(str(error).split()) or type(error).__name__
        self._log(f"warning: the tracker '{name}' failed ({reason}) and is no longer used.")
