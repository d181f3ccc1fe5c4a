"""Check the values returned by methods of a loss or regularizer, and that the methods do not change their inputs."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ganctl.testing.failures import Broken


def value_and_report(result: Any, step: str, example: str) -> tuple[Tensor, dict[str, Tensor]]:
    """Return ``result`` if it is a finite scalar and a dict of finite scalar tensors.

    Args:
        step: name of the step in messages, such as ``"in the D step"``.
        example: last line of a correct method.

    Raises:
        Broken: ``result`` has a different form.
    """
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)):
        raise Broken(
            f"returns {_describe(result)} {step} instead of a scalar and a dict.", f"End it with: {example}"
        )
    value, report = result
    if not isinstance(value, Tensor) or value.ndim:
        raise Broken(
            f"returns {_describe(value)} {step} instead of a scalar to minimize.",
            "Average over the batch: .mean().",
        )
    if not bool(value.isfinite()):
        raise Broken(
            f"is {float(value.detach())} {step} for small random images.",
            "Write log-sigmoids as torch.nn.functional.softplus, and keep the arguments of square roots away from 0.",
        )
    for name, entry in report.items():
        if not isinstance(entry, Tensor) or entry.ndim:
            raise Broken(
                f"reports '{name}' {step} as {_describe(entry)} instead of a scalar tensor.",
                "Report a mean as a tensor, without .item().",
            )
        if not bool(entry.isfinite()):
            raise Broken(f"reports '{name}' {step} as {float(entry.detach())}.", "Report only finite values.")
    return value, report


def gradients_of(value: Tensor, inputs: Sequence[Tensor], step: str) -> tuple[Tensor | None, ...]:
    """Return the gradient of ``value`` with respect to each of ``inputs``, or None if there is no path.

    Raises:
        Broken: there is no gradient, or a gradient is not finite.
    """
    if not value.requires_grad:
        raise Broken(
            f"has no gradient {step}.",
            "Compute it from the outputs of D, without detach(), .data, .item() and torch.no_grad().",
        )
    gradients = torch.autograd.grad(value, inputs, allow_unused=True)
    if not finite(g for g in gradients if g is not None):
        raise Broken(
            f"has an infinite or NaN gradient {step}.",
            "Keep the arguments of square roots away from 0. For norms, use ganctl.penalties.norm.",
        )
    return gradients


def finite(tensors: Iterable[Tensor]) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors)


@contextmanager
def unchanged(tensors: Iterable[Tensor | None], D: nn.Module, step: str) -> Iterator[None]:
    """Raise :class:`Broken` if the body changes ``tensors`` or the weights of ``D``, or calls backward()."""
    kept = [t for t in tensors if t is not None] + list(D.parameters())
    before = [tensor.detach().clone() for tensor in kept]
    yield
    if any(not torch.equal(now, old) for now, old in zip(kept, before, strict=True)):
        raise Broken(
            f"changes its inputs {step}.",
            "Do not change real, fake and D's weights: use x + 1 instead of x.add_(1).",
        )
    if any(weight.grad is not None for weight in D.parameters()):
        raise Broken(
            f"calls backward() itself {step}.",
            "Return the value. The engine calls backward() and the optimizers. "
            "For a penalty, use torch.autograd.grad(…, create_graph=True).",
        )


def save_and_load(used: nn.Module, fresh: nn.Module) -> None:
    """Load the state of ``used`` into ``fresh`` through a checkpoint.

    Raises:
        Broken: the state cannot be stored in a checkpoint.
    """
    saved = io.BytesIO()
    torch.save(used.state_dict(), saved)
    saved.seek(0)
    try:
        state = torch.load(saved, weights_only=True)
    except Exception as error:
        raise Broken(
            "has a state that cannot be stored in a checkpoint.", "Store only tensors, in buffers."
        ) from error
    fresh.load_state_dict(state)


def differs_after_loading() -> Broken:
    """Return the problem for a component whose values change after its state is saved and loaded."""
    return Broken(
        "has different values after its state is saved and loaded.",
        "Store its state in buffers (register_buffer), and use only torch's random number generator.",
    )


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"
