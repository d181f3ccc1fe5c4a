"""Compute metrics of generated images during training.

G generates them from the same latents every time, and the random numbers of training do not change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from ganctl.dataset import Images
from ganctl.plugin import options
from ganctl.plugin.registry import Registry
from ganctl.plugin.signatures import requested
from ganctl.recipe import Spec


class Metric(Protocol):
    """A function from samples to a number or to several, as factories of ``register_metrics`` return it.

    A metric receives further arguments by naming them in its signature, for example
    ``__call__(self, fakes, reals, G, y, device)``: ``G``, the generator in evaluation mode, called as ``G(z, y, c)``;
    ``y``, the labels of the fakes, int64 N on the CPU, or None; ``device``, the :class:`torch.device` of the run.

    A metric that needs random numbers draws them from its own generator with a fixed seed, so that the same samples
    have the same value.
    """

    def __call__(self, fakes: Iterator[Tensor], reals: Images) -> float | Mapping[str, float]:
        """Return the value of the metric, or several values by name, which are logged as ``METRIC/NAME``.

        Args:
            fakes: batches of samples, uint8 N×C×H×W on the CPU. They can be iterated over once.
            reals: the dataset.
        """
        ...


class Metrics:
    """The metrics of a run. A metric that raises an exception is dropped after one warning.

    Args:
        specs: names and resolved options.
        log: function that receives the warning.
    """

    def __init__(self, registry: Registry, specs: tuple[Spec, ...], log: Callable[[str], None]) -> None:
        self._log = log
        self._metrics: dict[str, Metric] = {}
        for spec in specs:
            try:
                factory = registry.get("metric", spec.name).load()
                self._metrics[spec.name] = options.call(factory, spec.options)
            except Exception as error:
                self._drop(spec.name, error)

    def __bool__(self) -> bool:
        return bool(self._metrics)

    def __call__(
        self, fakes: Callable[[], Iterator[Tensor]], reals: Images, **available: Any
    ) -> dict[str, float]:
        """Return the values of all metrics by name.

        Args:
            fakes: called once per metric.
            available: further arguments, passed to the metrics that request them.
        """
        values: dict[str, float] = {}
        for name, metric in list(self._metrics.items()):
            try:
                with torch.no_grad():
                    value = metric(fakes(), reals, **requested(metric, **available))
                values.update(_by_name(name, value))
            except Exception as error:
                self._drop(name, error)
        return values

    def _drop(self, name: str, error: Exception) -> None:
        self._metrics.pop(name, None)
        reason = " ".join(str(error).split()) or type(error).__name__
        self._log(f"warning: the metric '{name}' failed ({reason}) and is no longer computed.")


def _by_name(metric: str, value: float | Mapping[str, float]) -> dict[str, float]:
    if isinstance(value, Mapping):
        return {f"{metric}/{name}": float(each) for name, each in value.items()}
    return {metric: float(value)}
