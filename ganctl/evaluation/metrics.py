"""Metrics of G's pictures while it trains: of the same latents every time, beside the training's random numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from ganctl.dataset import Images
from ganctl.plugin import options
from ganctl.plugin.registry import Registry
from ganctl.recipe import Spec


class Metric(Protocol):
    """What a factory of ``register_metrics`` returns: a number for a lot of pictures.

    Whatever it draws at random it draws from a generator of its own with a fixed seed: the same pictures, the same
    number.
    """

    def __call__(self, fakes: Iterator[Tensor], reals: Images) -> float:
        """``fakes``: batches of G's pictures, uint8 n×C×H×W on the CPU, to be gone through once."""
        ...


class Metrics:
    """The metrics of a run. One that raises is named to ``say`` and dropped."""

    def __init__(self, registry: Registry, specs: tuple[Spec, ...], say: Callable[[str], None]) -> None:
        self._say = say
        self._metrics: dict[str, Metric] = {}
        for spec in specs:
            try:
                factory = registry.get("metric", spec.name).load()
                resolved = options.resolve(f"metric '{spec.name}'", factory, spec.options)
                self._metrics[spec.name] = options.call(factory, resolved)
            except Exception as error:
                self._drop(spec.name, error)

    def __bool__(self) -> bool:
        return bool(self._metrics)

    def __call__(self, fakes: Callable[[], Iterator[Tensor]], reals: Images) -> dict[str, float]:
        """Each metric's number, by its name. ``fakes`` is called once for each of them."""
        values: dict[str, float] = {}
        for name, metric in list(self._metrics.items()):
            try:
                with torch.no_grad():
                    values[name] = float(metric(fakes(), reals))
            except Exception as error:
                self._drop(name, error)
        return values

    def _drop(self, name: str, error: Exception) -> None:
        self._metrics.pop(name, None)
        why = " ".join(str(error).split()) or type(error).__name__
        self._say(f"warning: the metric '{name}' failed ({why}); going on without it.")
