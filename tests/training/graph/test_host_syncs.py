from __future__ import annotations

import torch

from ganctl.training.graph.host_syncs import HostReads


def read(x: torch.Tensor) -> float:
    return x.sum().item()


def branch(x: torch.Tensor) -> torch.Tensor:
    return x if x.sum() > 0 else -x


def test_a_read_is_placed_once_and_what_is_computed_is_the_same() -> None:
    x = torch.arange(3.0, requires_grad=True)
    with HostReads() as reads:
        assert [read(x) for _ in range(3)] == [3.0] * 3
        assert branch(x) is x
        (x * x).sum().backward()
    lines = [function.__code__.co_firstlineno + 1 for function in (read, branch)]
    assert reads.places == [f"{__file__}, line {line}" for line in lines]
    assert x.grad.tolist() == [0, 2, 4]  # type: ignore[union-attr]


def test_a_step_of_ganctls_own_reads_nothing_of_others() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.Adam([weight], lr=0.1)
    with HostReads() as reads:
        (weight * weight).sum().backward()
        optimizer.step()
    assert all(__file__ in place for place in reads.places), "what torch does on its own is its caller's"
