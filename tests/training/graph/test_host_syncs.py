from __future__ import annotations

import torch

from ganctl.training.graph.host_syncs import HostSync, Kind, user_reads, watch_host_syncs


def read(x: torch.Tensor) -> float:
    return x.sum().item()


def branch(x: torch.Tensor) -> torch.Tensor:
    return x if x.sum() > 0 else -x


def test_each_line_that_reads_is_reported_once_and_results_are_unchanged() -> None:
    x = torch.arange(3.0, requires_grad=True)
    syncs: list[HostSync] = []
    with watch_host_syncs(syncs.append):
        assert [read(x) for _ in range(3)] == [3.0] * 3
        assert branch(x) is x
        (x * x).sum().backward()
    lines = [function.__code__.co_firstlineno + 1 for function in (read, branch)]
    assert [str(place) for place in user_reads(syncs)] == [f"{__file__}, line {line}" for line in lines]
    assert len(syncs) == 4
    assert x.grad.tolist() == [0, 2, 4]  # type: ignore[union-attr]


def test_reads_inside_torch_are_attributed_to_the_caller() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.Adam([weight], lr=0.1)
    syncs: list[HostSync] = []
    with watch_host_syncs(syncs.append):
        (weight * weight).sum().backward()
        optimizer.step()
    assert all(sync.place is not None and sync.place.file == __file__ for sync in syncs)


def test_synchronizations_have_the_expected_kinds() -> None:
    x, syncs = torch.arange(3.0), []
    with watch_host_syncs(syncs.append):
        x[x > 0]
        x.nonzero()
        x.numpy()
        x.cpu()
        torch.tensor(1.0)
        torch.equal(x, x)
    assert [(sync.kind, sync.describe()) for sync in syncs] == [
        (Kind.MASK, "selects by a mask, so that a shape depends on values"),
        (Kind.DYNAMIC_SHAPE, "has a shape that depends on values"),
        (Kind.EXPORT, "reads a tensor with .numpy()"),
        (Kind.EXPORT, "reads a tensor with .cpu()"),
        (Kind.CONSTANT, "makes a tensor from Python's numbers"),
        (Kind.READ, "reads a value from the device"),
    ]
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert [sync.blocks_capture(cpu) for sync in syncs] == [True, True, True, False, True, True]
    assert [sync.blocks_capture(cuda) for sync in syncs] == [True, True, True, False, False, True]


def test_assigning_a_number_is_not_a_synchronization() -> None:
    x, rows, syncs = torch.ones(2, 3, 16, 16), torch.tensor([1]), []
    with watch_host_syncs(syncs.append):
        x[:, :, 8:16] = 0
        x[0] = 0.5
        x[rows, 0] = 2
        x[..., 1:] = x[..., :-1]
    assert syncs == []
    assert x[1, 0, 0, 0] == 2
    with watch_host_syncs(syncs.append):
        x[x > 0] = 1
        x[[0, 1]] = 1
        x[0, 0, 0, 0] = float(x.sum())
    assert [sync.kind for sync in syncs] == [Kind.MASK, Kind.CONSTANT, Kind.READ]


def test_reads_in_ganctl_are_not_attributed_to_user_code() -> None:
    from ganctl.training import reported_values

    rows, syncs = reported_values.Rows(["d_loss"], torch.ones(2, 1), [[True], [True]]), []
    with watch_host_syncs(syncs.append):
        assert rows.first_bad() is None
    assert len(syncs) == 1
    assert user_reads(syncs) == []
