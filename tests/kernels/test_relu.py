"""Test that skipping the second derivative of ReLU changes no values and saves backward passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from ganctl import penalties
from ganctl.kernels import relu

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "nn.LeakyReLU": nn.LeakyReLU(0.2),
    "nn.LeakyReLU in place": nn.LeakyReLU(0.2, inplace=True),
    "nn.ReLU": nn.ReLU(),
    "F.relu": F.relu,
    "F.relu in place": lambda x: F.relu(x, inplace=True),
    "F.leaky_relu": lambda x: F.leaky_relu(x, 0.1),
    "torch.relu": torch.relu,
    "Tensor.relu": lambda x: x.relu(),
}


class Critic(nn.Module):
    def __init__(self, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(2, 8, 3), nn.Conv2d(8, 8, 3)])
        self.last, self.activation = nn.Linear(8 * 4 * 4, 1), activation

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        for layer in self.layers:
            x = self.activation(layer(x))
        return self.last(x.flatten(1)).flatten()


class Count(TorchDispatchMode):
    """Count backward passes of convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.backwards = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.backwards += func.overloadpacket.__name__ == "convolution_backward"
        return func(*args, **(kwargs or {}))


def penalized(D: nn.Module, x: Tensor) -> tuple[list[Tensor], int]:
    D.zero_grad()
    with Count() as count:
        on_x, gradient = penalties.with_gradient(D, x)
        ((penalties.norm(gradient) - 1).square().mean() - on_x.mean()).backward()
    return [weight.grad.clone() for weight in D.parameters() if weight.grad is not None], count.backwards


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradients_are_bit_identical(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    D, x = Critic(ACTIVATIONS[name]), torch.randn(4, 2, 8, 8)
    skipped, fewer = penalized(D, x)
    monkeypatch.setattr(relu, "_REPLACEMENTS", {})
    plain, more = penalized(D, x)
    assert len(skipped) == len(plain) == 6
    for one, other in zip(skipped, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    # The loss contains D's logits, whose backward pass always runs through all layers.
    assert fewer <= more


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_penalty_needs_fewer_backward_passes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    D, x = Critic(ACTIVATIONS[name]), torch.randn(4, 2, 8, 8)

    def passes() -> int:
        D.zero_grad()
        with Count() as count:
            penalties.zero_centered(D, x).backward()
        return count.backwards

    fewer = passes()
    monkeypatch.setattr(relu, "_REPLACEMENTS", {})
    assert fewer < passes()


def test_first_and_second_derivatives_are_correct() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)

    def f(x: Tensor) -> Tensor:
        with relu.SkipZeroSecondDerivatives():
            return F.leaky_relu(x, 0.2).square() * torch.relu(x)

    assert torch.autograd.gradcheck(f, x)
    assert torch.autograd.gradgradcheck(f, x)


def test_relu_is_unchanged_outside_the_block() -> None:
    with relu.SkipZeroSecondDerivatives():
        inside = torch.relu(torch.ones(1, requires_grad=True))
    assert "_LeakyReLU" in type(inside.grad_fn).__name__
    assert "_LeakyReLU" not in type(torch.relu(torch.ones(1, requires_grad=True)).grad_fn).__name__
