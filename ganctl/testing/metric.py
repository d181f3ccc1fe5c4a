"""Check a metric."""

from __future__ import annotations

import math
from typing import Any

import torch

from ganctl.dataset import Images
from ganctl.plugin.registry import Registry
from ganctl.testing.component_under_test import Subject, Target, run_check
from ganctl.testing.failures import Broken, Failure, Findings

N, BATCH, SIDE = 32, 16, 28


def check_metric(metric: Target, /, *, registry: Registry | None = None, **options: Any) -> list[Failure]:
    """Check that a metric is finite for gray and color images, and has the same value for the same images.

    Args:
        metric: Registered name or factory of the metric.
        registry: Registry in which names are looked up. By default, the registry of installed plugins.
        **options: Options of the metric.
    """
    return run_check(
        "metric", metric, options, registry, lambda subject, findings, _: _check(subject, findings)
    )


def _check(subject: Subject, findings: Findings) -> None:
    for channels in (1, 3):
        with findings.collect(f"for images of {channels} channel{'s' * (channels > 1)}"):
            metric = subject.make()
            random = torch.Generator().manual_seed(0)
            real, fake = (
                torch.randint(256, (N, channels, SIDE, SIDE), dtype=torch.uint8, generator=random)
                for _ in range(2)
            )
            kept = fake.clone()
            values = []
            for seed in (1, 2):
                torch.manual_seed(seed)
                with torch.no_grad():
                    values.append(
                        _numbers(metric(iter(fake.split(BATCH)), Images(real, torch.arange(N) % 2)))
                    )
            if not torch.equal(fake, kept):
                raise Broken("changes the samples.", "Do not use in-place operations on the samples.")
            if values[0] != values[1]:
                raise Broken(
                    "has different values for the same images.",
                    "Draw random numbers from a torch.Generator with a fixed seed.",
                )


def _numbers(result: Any) -> list[float]:
    """Return the values of a metric.

    Raises:
        Broken: a value is not a finite number.
    """
    values = list(result.values()) if isinstance(result, dict) else [result]
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError) as error:
        raise Broken(f"returns a {type(result).__name__} instead of a number.", "Return a float.") from error
    if not all(map(math.isfinite, numbers)):
        raise Broken(
            f"is {numbers[0]} for {N} random images.",
            "Keep divisors and arguments of square roots away from 0.",
        )
    return numbers
