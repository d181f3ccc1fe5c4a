"""G and D as losses, regularizers and the engine call them.

``c`` is passed only to networks that request it. D is behind the augmentation, and the components of one update share
its outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ganctl.loss import Batch
from ganctl.plugin.signatures import requests


class GeneratorCall:
    """``G(z, y, c)`` → float32 N×C×H×W in [−1, 1], under the precision of the run.

    Attributes:
        module: the network G, for its own methods, such as a mapping or an encoder.

    Args:
        **options: further arguments of G that every call passes by name.
    """

    def __init__(self, module: nn.Module, **options: Any) -> None:
        self.module, self._options = module, options
        self._takes_c = requests(module.forward, "c")

    def __call__(self, z: Tensor, y: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        by_name = {**self._options, "c": c} if self._takes_c else self._options
        x: Tensor = self.module(z, y, **by_name)
        return x.float()


class DiscriminatorCall:
    """``D(augment(x), y, c)`` → the output of D, in most cases N logits.

    Args:
        module: the network D.
        augment: augmentation of every x. Its method ``observe``, if any, gets the logits of each real batch once.
    """

    def __init__(self, module: nn.Module, augment: nn.Module | None = None) -> None:
        self.module, self._augment = module, augment
        self._takes_c = requests(module.forward, "c")
        self._observe: Callable[[Tensor], None] | None = getattr(augment, "observe", None)
        self._update = _Update({}, set(), sharing=False)

    def begin_update(self, real: Batch, fake: Batch, *, sharing: bool, observing: bool) -> None:
        """Forget the outputs of the last update.

        Args:
            sharing: whether several components may call D with ``real`` and ``fake``.
            observing: pass the first logits of ``real`` to the augmentation.
        """
        batches = {"real": real, "fake": fake} if sharing else {}
        to_observe = real.x if observing and self._observe else None
        self._update = _Update(batches, set(), sharing, to_observe)

    def end_update(self) -> None:
        """Free the outputs, whose graphs would otherwise stay in memory until the next update."""
        self._update = _Update({}, set(), sharing=False)

    def for_component(self, number: int) -> DiscriminatorForComponent:
        """Return D as the component ``number`` calls it."""
        return DiscriminatorForComponent(self, number)

    def augment(self, x: Tensor) -> Tensor:
        augmented: Tensor = x if self._augment is None else self._augment(x)
        return augmented

    def output(self, component: int, x: Tensor, y: Tensor | None, c: Tensor | None) -> Any:
        """Return the output for ``x``: that of another component in this update if there is one, or a new one."""
        update = self._update
        name = update.batch_of(x, y, c) if update.sharing and torch.is_grad_enabled() else None
        if name is None:
            return self._compute(x, y, c)
        shared = update.outputs.get(name)
        # An output whose gradient with respect to x is needed must belong to this very tensor.
        if shared and (component, name) not in update.received and (x is shared.x or not x.requires_grad):
            update.received.add((component, name))
            return shared.output
        output = self._compute(x, y, c)
        update.received.add((component, name))
        update.outputs.setdefault(name, _Output(x, output))
        return output

    def _compute(self, x: Tensor, y: Tensor | None, c: Tensor | None) -> Any:
        augmented = self.augment(x)
        output = self.module(augmented, y, c=c) if self._takes_c else self.module(augmented, y)
        observed = self._update.to_observe
        if observed is not None and self._observe and _same_memory(x, observed):
            self._update.to_observe = None
            with torch.no_grad():
                self._observe((output[0] if isinstance(output, tuple) else output).detach())
        return output


class DiscriminatorForComponent:
    """D as one loss or regularizer calls it: ``D(x, y, c)``.

    The first call with a whole batch of the update may return the output that another component computed. Every
    further call computes a new output, so that a component can compare two outputs of a D with dropout.

    Attributes:
        module: the network D, for its own methods. They do not augment: pass them ``D.augment(x)``.
    """

    def __init__(self, call: DiscriminatorCall, number: int) -> None:
        self._call, self._number, self.module = call, number, call.module

    def __call__(self, x: Tensor, y: Tensor | None = None, c: Tensor | None = None) -> Any:
        return self._call.output(self._number, x, y, c)

    def augment(self, x: Tensor) -> Tensor:
        """Return ``x`` as D sees it: augmented, or unchanged without an augmentation."""
        return self._call.augment(x)


class _Output(NamedTuple):
    x: Tensor  # also keeps the memory, whose address identifies x
    output: Any


class _Update:
    """The batches of one update of G or D, and the outputs of D for them."""

    def __init__(
        self,
        batches: dict[str, Batch],
        received: set[tuple[int, str]],
        sharing: bool,
        to_observe: Tensor | None = None,
    ) -> None:
        self.batches, self.received, self.sharing, self.to_observe = batches, received, sharing, to_observe
        self.outputs: dict[str, _Output] = {}

    def batch_of(self, x: Tensor, y: Tensor | None, c: Tensor | None) -> str | None:
        """Return the name of the batch that consists of ``x``, ``y`` and ``c``, or None."""
        for name, batch in self.batches.items():
            if _same_memory(x, batch.x) and _same_memory(y, batch.y) and _same_memory(c, batch.c):
                return name
        return None


def _same_memory(a: Tensor | None, b: Tensor | None) -> bool:
    if a is None or b is None or a is b:
        return a is b
    return (
        a.data_ptr() == b.data_ptr()
        and a.shape == b.shape
        and a.stride() == b.stride()
        and a.dtype == b.dtype
    )
