"""Test operations over the whole batch, in one process and with the batch split between processes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ganctl import batchwise
from ganctl.testing.split_batch import half, run_in_halves

X = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
OPERATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "whole": batchwise.whole,
    "mean": batchwise.mean,
    "total": batchwise.total,
    "std": batchwise.std,
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_split_batch_has_the_same_results_and_gradients_as_the_whole_batch(name: str) -> None:
    operation = OPERATIONS[name]
    whole = X.clone().requires_grad_()
    expected = operation(whole)
    (expected_gradient,) = torch.autograd.grad(expected.square().sum(), whole)

    rows = [half(X, rank).clone().requires_grad_() for rank in range(2)]
    results = run_in_halves(lambda rank: operation(rows[rank]))
    for result in results:
        torch.testing.assert_close(result, expected)
    # The engine averages the processes' gradients.
    objective = torch.stack([result.square().sum() for result in results]).mean()
    torch.testing.assert_close(torch.cat(torch.autograd.grad(objective, rows)), expected_gradient)


def test_functions_are_plain_arithmetic_in_a_single_process() -> None:
    assert batchwise.whole(X) is X
    assert torch.equal(batchwise.mean(X), X.mean(0))
    assert torch.equal(batchwise.total(X), X.sum(0))
    assert torch.equal(batchwise.std(X), X.std())
    assert batchwise.size() == 1


@pytest.mark.parametrize(
    ("ours", "plain"), [(batchwise.rand_like, torch.rand), (batchwise.randn_like, torch.randn)]
)
def test_random_numbers_equal_torch_in_a_single_process(
    ours: Callable[[Tensor], Tensor], plain: Callable[..., Tensor]
) -> None:
    torch.manual_seed(4)
    expected = plain(6, 3, dtype=torch.float64)
    torch.manual_seed(4)
    assert torch.equal(ours(X), expected)


def test_error_in_one_process_ends_the_other_process() -> None:
    def fail(rank: int) -> Tensor:
        if rank == 1:
            raise ValueError("broken")
        return batchwise.mean(X)

    with pytest.raises(ValueError, match="broken"):
        run_in_halves(fail)
