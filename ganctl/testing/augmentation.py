"""What every augmentation of what D sees must fulfil."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganctl.recipe import ImageShape
from ganctl.testing.device import on_device
from ganctl.testing.findings import Broken, Findings, Subject

N = 3
IMAGES = (ImageShape(1, 28, 28), ImageShape(3, 32, 32), ImageShape(3, 24, 36))


def check(subject: Subject, findings: Findings) -> None:
    """Say in ``findings`` what ``subject`` does not fulfil."""

    def new(image: ImageShape) -> nn.Module:
        torch.manual_seed(0)
        made = subject.make(image=image)
        if not isinstance(made, nn.Module):
            raise Broken(
                f"is a {type(made).__name__}, not a torch.nn.Module.",
                "Return a torch.nn.Module from its factory.",
            )
        return made.train()

    for image in IMAGES:
        for dtype in (torch.float32, torch.bfloat16):
            with findings.during(f"for images of {image}"):
                x = (torch.rand(N, *image) * 2 - 1).to(dtype)
                given = x.clone()
                y = new(image)(x)
                if not isinstance(y, Tensor) or y.shape != x.shape or y.dtype != x.dtype:
                    got = f"{y.dtype} {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
                    raise Broken(
                        f"makes {got} of {x.dtype} {tuple(x.shape)}.".replace("torch.", ""),
                        "Keep shape and dtype; compute in float32 and end with .to(x.dtype).",
                    )
                if not torch.equal(x, given):
                    raise Broken(
                        "changes its input.", "Use no in-place operation on x: x + 1, not x.add_(1)."
                    )
                if not bool(y.isfinite().all()):
                    raise Broken("makes values that are not finite.", "Keep divisors away from 0.")
    if findings.failures:
        return
    image = IMAGES[1]
    with findings.during("when the gradient goes through it"):
        x = (torch.rand(N, *image) * 2 - 1).requires_grad_()
        y = new(image)(x)
        if not y.requires_grad:
            raise Broken(
                "is not differentiable: G would learn nothing through it.",
                "Use torch's operations on x, without detach(), torch.no_grad() or a way through PIL or numpy.",
            )
        (gradient,) = torch.autograd.grad(y, x, torch.randn_like(y), create_graph=True)
        if not bool(gradient.isfinite().all()) or not bool((gradient != 0).any()):
            raise Broken(
                "has a gradient that is zero or not finite.", "Avoid rounding, comparisons and roots of x."
            )
    with findings.during("where it must stay on the device"):
        augment = new(image)
        observe = getattr(augment, "observe", None)
        x = torch.rand(N, *image) * 2 - 1
        with on_device("in its forward pass"):
            augment(x)
        if callable(observe):
            with on_device("in observe(logits)"), torch.no_grad():
                observe(torch.randn(N))
    with findings.during("when it is called twice"):
        x, answers = torch.rand(N, *image) * 2 - 1, []
        for _ in range(2):
            augment = new(image)
            torch.manual_seed(1)
            answers.append(augment(x))
        if not torch.equal(*answers):
            raise Broken("differs each time, under one seed.", "Draw random numbers from torch alone.")
    with findings.during("when its state is saved and loaded"):
        augment, fresh = new(image), new(image)
        observe = getattr(augment, "observe", None)
        for _ in range(5):
            augment(x)
            if callable(observe):
                observe(torch.full((N,), 2.0))
        fresh.load_state_dict(augment.state_dict())
        answers = []
        for one in (augment, fresh):
            torch.manual_seed(1)
            answers.append(one(x))
        if not torch.equal(*answers):
            raise Broken(
                "goes on differently after its state was saved and loaded.",
                "Keep what it remembers in buffers: self.register_buffer(…).",
            )
