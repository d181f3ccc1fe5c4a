"""What every optimizer must fulfil."""

from __future__ import annotations

import io

import torch
from torch import nn

from ganctl.plugin import options
from ganctl.testing.findings import Broken, Findings, Subject


def check(subject: Subject, findings: Findings) -> None:
    """Say in ``findings`` what ``subject`` does not fulfil."""
    if "lr" not in {option.name for option in options.of(subject.factory)}:
        findings.say(
            "has no option 'lr', which --lr, models and schedules set.",
            "Give it a parameter: lr: float = 1e-3.",
        )
        return
    if "lr" not in subject.options:
        subject = Subject(subject.kind, subject.name, subject.factory, {**subject.options, "lr": 1e-3})

    def start() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        # A matrix, a vector, a convolution's weight and a scalar: what networks are made of.
        network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.PReLU(), nn.Flatten(), nn.Linear(3 * 4, 2))
        return network, subject.make(params=list(network.parameters()))

    with findings.during("when it is built"):
        _, optimizer = start()
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise Broken(
                f"is a {type(optimizer).__name__}, not a torch.optim.Optimizer.",
                "Derive its class from torch.optim.Optimizer.",
            )
        if any("lr" not in group for group in optimizer.param_groups):
            raise Broken(
                "keeps no 'lr' in its parameter groups, which schedules set.", "Pass dict(lr=lr) as defaults."
            )
    if findings.failures:
        return
    with findings.during("when it steps"):
        network, optimizer = start()
        before = [weight.detach().clone() for weight in network.parameters()]
        _steps(network, optimizer, seed=1)
        if all(torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True)):
            raise Broken(
                "does not change the weights.", "Update each p in group['params'] from p.grad in step()."
            )
        if not all(bool(weight.isfinite().all()) for weight in network.parameters()):
            raise Broken("makes weights infinite in three steps.", "Add an eps to what it divides by.")
        again, same = start()
        _steps(again, same, seed=1)
        if not _equal(network, again):
            raise Broken(
                "steps differently each time, under one seed.", "Draw random numbers from torch alone."
            )
    if findings.failures:
        return
    with findings.during("when its state is saved and loaded"):
        saved = io.BytesIO()
        torch.save({"weights": network.state_dict(), "optimizer": optimizer.state_dict()}, saved)
        saved.seek(0)
        try:
            state = torch.load(saved, weights_only=True)
        except Exception as error:
            raise Broken(
                "keeps something in its state that a checkpoint cannot hold.",
                "Keep tensors and numbers alone in self.state and in the parameter groups.",
            ) from error
        gone_on, fresh = start()
        gone_on.load_state_dict(state["weights"])
        fresh.load_state_dict(state["optimizer"])
        _steps(network, optimizer, seed=2)
        _steps(gone_on, fresh, seed=2)
        if not _equal(network, gone_on):
            raise Broken(
                "steps differently after its state was saved and loaded: a resumed run would not be the same.",
                "Keep what it remembers in self.state[p] and the parameter groups, not in attributes of its own.",
            )


def _steps(network: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    torch.manual_seed(seed)
    for _ in range(3):
        loss = network(torch.randn(4, 1, 4, 4)).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def _equal(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
