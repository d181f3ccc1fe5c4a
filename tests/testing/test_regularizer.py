"""Test the checks of regularizers: built-in regularizers pass, and each mistake has a distinct message."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ganctl
from ganctl import logits, penalties, testing
from ganctl.plugin import discovery

Result = tuple[Tensor, dict[str, Tensor]]


@pytest.mark.parametrize("name", discovery.registry().names("regularizer"))
def test_builtin_regularizers_pass(name: str) -> None:
    testing.assert_regularizer(name)


class Right(ganctl.Regularizer):
    def discriminator_term(self, D: Any, real: Any, fake: Any) -> Any:
        term = (logits(D, real) - logits(D, fake)).square().mean()
        return term, {"distance": term}


class RequestsG(ganctl.Regularizer):
    def generator_term(self, D: Any, real: Any, fake: Any, G: Any) -> Result:
        return (G(fake.z, fake.y) - fake.x.detach()).add(1).square().mean() + D.module(
            D.augment(fake.x)
        ).mean(), {}


class Neither(ganctl.Regularizer):
    pass


class Reads(Right):
    def discriminator_term(self, D: Any, real: Any, fake: Any) -> Any:
        return logits(D, real).mean() * logits(D, fake).mean().item(), {}


class Undeclared(ganctl.Regularizer):
    def discriminator_term(self, D: Any, real: Any, fake: Any) -> Result:
        return penalties.zero_centered(D, real.x, real.y), {}


class UndeclaredForG(ganctl.Regularizer):
    def generator_term(self, D: Any, real: Any, fake: Any, G: Any) -> Result:
        z = fake.z.requires_grad_()
        (gradient,) = torch.autograd.grad(G(z, fake.y).sum(), z, create_graph=True)
        return gradient.square().mean(), {}


class ReportsVector(Right):
    def discriminator_term(self, D: Any, real: Any, fake: Any) -> Any:
        return logits(D, real).mean(), {"logits": logits(D, real)}


class Vector(Right):
    def discriminator_term(self, D: Any, real: Any, fake: Any) -> Any:
        return logits(D, real), {}


class Detached(ganctl.Regularizer):
    def generator_term(self, D: Any, real: Any, fake: Any) -> Result:
        return (fake.x.detach() * torch.ones(1, requires_grad=True)).mean(), {}


class Counts(Right):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def discriminator_term(self, D: Any, real: Any, fake: Any) -> Any:
        self.calls += 1
        return self.calls * super().discriminator_term(D, real, fake)[0], {}


class Root(Right):
    def discriminator_term(self, D: Any, real: Any, fake: Any) -> Any:
        return (logits(D, real) - logits(D, real)).abs().sqrt().mean(), {}


class MixesImages(Right):
    def discriminator_term(self, D: Any, real: Any, fake: Any) -> Any:
        return logits(D, real).mean().square(), {}


def not_a_regularizer() -> nn.Module:
    return nn.Identity()


MISTAKES = {
    Neither: "defines neither discriminator_term nor generator_term",
    Reads: "reads a value from the device in the D step (test_regularizer.py, line",
    Undeclared: "takes the gradient of a gradient of D with respect to images in the D step",
    UndeclaredForG: "takes the gradient of a gradient of G in the G step",
    ReportsVector: "reports 'logits' in the D step as a tensor of shape (6,)",
    Vector: "returns a tensor of shape (6,) in the D step",
    Detached: "gives G's weights no gradient in the G step",
    Counts: "has different values after its state is saved and loaded",
    Root: "has an infinite or NaN gradient in the D step",
    MixesImages: "depends in the D step on the number of devices that share a batch",
    not_a_regularizer: "is a Identity, not a ganctl.Regularizer",
}


@pytest.mark.parametrize("regularizer", [Right, RequestsG])
def test_correct_regularizer_has_no_failures(regularizer: Any) -> None:
    assert testing.check_regularizer(regularizer) == []


@pytest.mark.parametrize("regularizer", MISTAKES, ids=lambda regularizer: regularizer.__name__)
def test_incorrect_regularizer_has_a_failure(regularizer: Any) -> None:
    failures = testing.check_regularizer(regularizer)
    assert MISTAKES[regularizer] in "\n".join(map(str, failures))
    assert all(failure.remedy for failure in failures)


def test_options_are_passed_to_the_regularizer() -> None:
    assert "gamma is -1" in str(testing.check_regularizer("r1", gamma=-1)[0])
