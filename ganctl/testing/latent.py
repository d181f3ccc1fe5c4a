"""Check a latent, the distribution of z."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ganctl.latent import Latent
from ganctl.plugin.registry import Registry
from ganctl.recipe import ImageShape
from ganctl.testing.component_under_test import Subject, Target, run_check
from ganctl.testing.device import on_device
from ganctl.testing.failures import Broken, Failure, Findings

N = 6


def check_latent(latent: Target, /, *, registry: Registry | None = None, **options: Any) -> list[Failure]:
    """Check that a latent returns float32 z of the declared length that depend only on the random generator.

    Args:
        latent: Registered name or factory of the latent.
        registry: Registry in which names are looked up. By default, the registry of installed plugins.
        **options: Options of the latent.
    """
    return run_check(
        "latent", latent, options, registry, lambda subject, findings, _: _check(subject, findings)
    )


def _check(subject: Subject, findings: Findings) -> None:
    with findings.collect("when it is built"):
        latent = subject.make(image=ImageShape(1, 28, 28), root=None)
        if not isinstance(latent, Latent):
            raise Broken(
                f"is a {type(latent).__name__}, not a ganctl.Latent.", "Derive its class from ganctl.Latent."
            )
        if not isinstance(getattr(latent, "dim", None), int):
            raise Broken("has no integer dim, the length of z.", "Call super().__init__(z_dim) in __init__.")
    if findings.failures:
        return
    with findings.collect("when it is sampled"):
        z = latent.sample(N, "cpu")
        if not isinstance(z, Tensor) or z.shape != (N, latent.dim) or z.dtype != torch.float32:
            found = (
                f"{z.dtype} {tuple(z.shape)}".removeprefix("torch.")
                if isinstance(z, Tensor)
                else type(z).__name__
            )
            raise Broken(
                f"returns {found} for {N} latents instead of float32 {(N, latent.dim)}.",
                "Return n latents of length self.dim.",
            )
        if not bool(z.isfinite().all()):
            raise Broken("returns values that are infinite or NaN.", "Keep divisors away from 0.")
    if findings.failures:
        return
    with findings.collect("where it must stay on the device"), on_device("in sample"):
        latent.sample(N, "cpu")
    with findings.collect("when it is sampled with a generator"):
        first, second = (latent.sample(N, "cpu", torch.Generator().manual_seed(1)) for _ in range(2))
        if not torch.equal(first, second):
            raise Broken(
                "returns different latents for the same generator.",
                "Draw all random numbers with generator=generator.",
            )
        if torch.equal(first, latent.sample(N, "cpu", torch.Generator().manual_seed(2))):
            raise Broken(
                "returns the same latents for every generator.",
                "Draw random numbers with generator=generator.",
            )
    with findings.collect("when it is sampled with a seed"):
        torch.manual_seed(1)
        first = latent.sample(N, "cpu")
        torch.manual_seed(1)
        if not torch.equal(first, latent.sample(N, "cpu")):
            raise Broken(
                "returns different latents with the same seed.", "Use only torch's random number generator."
            )
