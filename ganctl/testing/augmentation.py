"""Check an augmentation of the images that D sees."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ganctl.plugin.registry import Registry
from ganctl.recipe import ImageShape
from ganctl.testing.component_under_test import Subject, Target, run_check
from ganctl.testing.device import on_device
from ganctl.testing.failures import Broken, Failure, Findings

N = 3
IMAGES = (ImageShape(1, 28, 28), ImageShape(3, 32, 32), ImageShape(3, 24, 36))


def check_augmentation(
    augmentation: Target, /, *, registry: Registry | None = None, **options: Any
) -> list[Failure]:
    """Check that an augmentation keeps shape and dtype, is differentiable, and does not read from the device.

    Args:
        augmentation: Registered name or factory of the augmentation.
        registry: Registry in which names are looked up. By default, the registry of installed plugins.
        **options: Options of the augmentation.
    """
    return run_check(
        "augmentation",
        augmentation,
        options,
        registry,
        lambda subject, findings, _: _check(subject, findings),
    )


def _check(subject: Subject, findings: Findings) -> None:
    for image in IMAGES:
        for dtype in (torch.float32, torch.bfloat16):
            with findings.collect(f"for images of {image}"):
                _check_output(_build(subject, image), (torch.rand(N, *image) * 2 - 1).to(dtype))
    if findings.failures:
        return
    image = IMAGES[1]
    with findings.collect("when a gradient passes through it"):
        _check_gradient(_build(subject, image), (torch.rand(N, *image) * 2 - 1).requires_grad_())
    with findings.collect("where it must stay on the device"):
        augment = _build(subject, image)
        x = torch.rand(N, *image) * 2 - 1
        with on_device("in its forward pass"):
            augment(x)
        if callable(observe := getattr(augment, "observe", None)):
            with on_device("in observe(logits)"), torch.no_grad():
                observe(torch.randn(N))
    with findings.collect("when it is called twice"):
        x = torch.rand(N, *image) * 2 - 1
        if not torch.equal(*[_with_seed(_build(subject, image), x) for _ in range(2)]):
            raise Broken(
                "returns different images with the same seed.", "Use only torch's random number generator."
            )
    with findings.collect("when its state is saved and loaded"):
        augment, fresh = _build(subject, image), _build(subject, image)
        x = torch.rand(N, *image) * 2 - 1
        for _ in range(5):
            augment(x)
            if callable(observe := getattr(augment, "observe", None)):
                observe(torch.full((N,), 2.0))
        fresh.load_state_dict(augment.state_dict())
        if not torch.equal(_with_seed(augment, x), _with_seed(fresh, x)):
            raise Broken(
                "returns different images after its state is saved and loaded.",
                "Store its state in buffers: self.register_buffer(…).",
            )


def _build(subject: Subject, image: ImageShape) -> nn.Module:
    torch.manual_seed(0)
    augment = subject.make(image=image)
    if not isinstance(augment, nn.Module):
        raise Broken(
            f"is a {type(augment).__name__}, not a torch.nn.Module.",
            "Return a torch.nn.Module from its factory.",
        )
    return augment.train()


def _check_output(augment: nn.Module, x: Tensor) -> None:
    before = x.clone()
    y = augment(x)
    if not isinstance(y, Tensor) or y.shape != x.shape or y.dtype != x.dtype:
        output = f"{y.dtype} {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
        raise Broken(
            f"returns {output} for {x.dtype} {tuple(x.shape)}.".replace("torch.", ""),
            "Keep shape and dtype: compute in float32 and end with .to(x.dtype).",
        )
    if not torch.equal(x, before):
        raise Broken("changes its input.", "Do not use in-place operations on x. Write x + 1, not x.add_(1).")
    if not bool(y.isfinite().all()):
        raise Broken("returns values that are infinite or NaN.", "Keep divisors away from 0.")


def _check_gradient(augment: nn.Module, x: Tensor) -> None:
    y = augment(x)
    if not y.requires_grad:
        raise Broken(
            "is not differentiable, so G would not learn.",
            "Use torch's operations on x, without detach(), torch.no_grad(), PIL or numpy.",
        )
    (gradient,) = torch.autograd.grad(y, x, torch.randn_like(y), create_graph=True)
    if not bool(gradient.isfinite().all()) or not bool((gradient != 0).any()):
        raise Broken(
            "has a gradient that is zero, infinite or NaN.",
            "Avoid rounding, comparisons and square roots of x.",
        )


def _with_seed(augment: nn.Module, x: Tensor) -> Tensor:
    torch.manual_seed(1)
    output: Tensor = augment(x)
    return output
