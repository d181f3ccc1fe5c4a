"""Check an optimizer."""

from __future__ import annotations

import io
from typing import Any

import torch
from torch import nn

from ganctl.plugin import options
from ganctl.plugin.registry import Registry
from ganctl.testing.component_under_test import Subject, Target, run_check
from ganctl.testing.failures import Broken, Failure, Findings


def check_optimizer(
    optimizer: Target, /, *, registry: Registry | None = None, **options: Any
) -> list[Failure]:
    """Check that an optimizer changes the weights and continues bit-identically after its state is saved and loaded.

    Args:
        optimizer: Registered name or factory of the optimizer.
        registry: Registry in which names are looked up. By default, the registry of installed plugins.
        **options: Options of the optimizer. By default, ``lr`` is 1e-3.
    """
    return run_check(
        "optimizer", optimizer, options, registry, lambda subject, findings, _: _check(subject, findings)
    )


def _check(subject: Subject, findings: Findings) -> None:
    if "lr" not in {option.name for option in options.of("optimizer", subject.factory)}:
        findings.add(
            "has no option 'lr', which --lr, models and schedules set.",
            "Give it a parameter: lr: float = 1e-3.",
        )
        return
    if "lr" not in subject.options:
        subject = Subject(subject.kind, subject.name, subject.factory, {**subject.options, "lr": 1e-3})

    def start() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        # Like real networks, this contains a matrix, a vector, a convolution weight and a scalar.
        network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.PReLU(), nn.Flatten(), nn.Linear(3 * 4, 2))
        return network, subject.make(params=list(network.parameters()))

    with findings.collect("when it is built"):
        _, optimizer = start()
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise Broken(
                f"is a {type(optimizer).__name__}, not a torch.optim.Optimizer.",
                "Derive its class from torch.optim.Optimizer.",
            )
        if any("lr" not in group for group in optimizer.param_groups):
            raise Broken(
                "has no 'lr' in its parameter groups, where schedules set it.",
                "Pass dict(lr=lr) as defaults.",
            )
    if findings.failures:
        return
    with findings.collect("when it updates the weights"):
        network, optimizer = start()
        before = [weight.detach().clone() for weight in network.parameters()]
        _steps(network, optimizer, seed=1)
        if all(torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True)):
            raise Broken(
                "does not change the weights.", "In step(), update each p in group['params'] from p.grad."
            )
        if not all(bool(weight.isfinite().all()) for weight in network.parameters()):
            raise Broken("makes weights infinite or NaN in three steps.", "Add an eps to each divisor.")
        repeated, same = start()
        _steps(repeated, same, seed=1)
        if not _equal(network, repeated):
            raise Broken(
                "takes different steps with the same seed.", "Use only torch's random number generator."
            )
    if findings.failures:
        return
    with findings.collect("when its state is saved and loaded"):
        saved = io.BytesIO()
        torch.save({"weights": network.state_dict(), "optimizer": optimizer.state_dict()}, saved)
        saved.seek(0)
        try:
            state = torch.load(saved, weights_only=True)
        except Exception as error:
            raise Broken(
                "has a state that cannot be stored in a checkpoint.",
                "Store only tensors and numbers in self.state and in the parameter groups.",
            ) from error
        resumed, fresh = start()
        resumed.load_state_dict(state["weights"])
        fresh.load_state_dict(state["optimizer"])
        _steps(network, optimizer, seed=2)
        _steps(resumed, fresh, seed=2)
        if not _equal(network, resumed):
            raise Broken(
                "takes different steps after its state is saved and loaded, so a resumed run would differ.",
                "Store its state in self.state[p] and in the parameter groups, not in other attributes.",
            )


def _steps(network: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    torch.manual_seed(seed)
    for _ in range(3):
        loss = network(torch.randn(4, 1, 4, 4)).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def _equal(first: nn.Module, second: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
