"""Test the checks of latents: built-in latents pass, and each mistake has a distinct message."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import ganctl
from ganctl import testing
from ganctl.plugin import discovery


@pytest.mark.parametrize("name", discovery.registry().names("latent"))
def test_builtin_latents_pass(name: str) -> None:
    testing.assert_latent(name)


class Wide(ganctl.Latent):
    def sample(self, n: int, device: Any, generator: Any = None) -> Any:
        return torch.randn(n, self.dim + 1, generator=generator)


class IgnoresGenerator(ganctl.Latent):
    def sample(self, n: int, device: Any, generator: Any = None) -> Any:
        return torch.randn(n, self.dim, device=device)


class Constant(ganctl.Latent):
    def sample(self, n: int, device: Any, generator: Any = None) -> Any:
        return torch.ones(n, self.dim, device=device)


class Reads(ganctl.Latent):
    def sample(self, n: int, device: Any, generator: Any = None) -> Any:
        z = torch.randn(n, self.dim, device=device, generator=generator)
        return z * z.mean().item()


class NoDim(ganctl.Latent):
    def __init__(self) -> None:
        pass


class Other:
    pass


MISTAKES = {
    Wide: "returns float32 (6, 101) for 6 latents instead of float32 (6, 100)",
    IgnoresGenerator: "returns different latents for the same generator",
    Constant: "returns the same latents for every generator",
    Reads: "reads a value from the device in sample",
    NoDim: "has no integer dim",
    Other: "is a Other, not a ganctl.Latent",
}


@pytest.mark.parametrize("latent", MISTAKES, ids=lambda latent: latent.__name__)
def test_incorrect_latent_has_a_failure(latent: Any) -> None:
    failures = testing.check_latent(latent)
    assert MISTAKES[latent] in "\n".join(map(str, failures))
    assert all(failure.remedy for failure in failures)
