"""Test that a replayed trace equals the traced function, and that functions that cannot be replayed are refused."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganctl.training.graph.cpu_trace import Trace


def traced(function: Callable[[], None]) -> Trace:
    trace = Trace()
    trace.capture(function)
    return trace


def assert_replays_equal_calls(function: Callable[[], None], *tensors: Tensor, times: int = 3) -> None:
    """Check that replays and calls produce bit-identical ``tensors`` and the same random state."""
    start = [t.detach().clone() for t in tensors]
    state = torch.get_rng_state()
    trace = traced(function)
    assert all(map(torch.equal, start, tensors))
    assert torch.equal(state, torch.get_rng_state())
    for _ in range(times):
        trace.replay()
    replayed, random_after = [t.detach().clone() for t in tensors], torch.get_rng_state()
    with torch.no_grad():
        for tensor, before in zip(tensors, start, strict=True):
            tensor.copy_(before)
    torch.set_rng_state(state)
    for _ in range(times):
        function()
    assert all(map(torch.equal, replayed, tensors))
    assert torch.equal(random_after, torch.get_rng_state())
    assert not all(map(torch.equal, start, tensors))


def test_training_step_with_second_derivatives_is_replayed() -> None:
    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))
    optimizer = torch.optim.Adam(net.parameters(), fused=True)

    def step() -> None:
        x = torch.randn(4, 3).requires_grad_()
        (slope,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
        optimizer.zero_grad()
        ((slope.norm(dim=1) - 1) ** 2).mean().backward()
        optimizer.step()

    step()  # creates Adam's state
    adam_state = [value for state in optimizer.state.values() for value in state.values()]
    assert_replays_equal_calls(step, *net.parameters(), *adam_state)


def test_undeclared_writes_of_batch_normalization_are_restored() -> None:
    net = nn.BatchNorm1d(3)
    assert_replays_equal_calls(
        lambda: net(torch.randn(5, 3) * 2 + 1), net.running_mean, net.running_var, net.num_batches_tracked
    )


def test_kernels_that_check_the_gradient_mode_are_replayed() -> None:
    net = nn.LSTM(2, 3)

    def step() -> None:
        with torch.no_grad():
            x, _ = net(torch.randn(3, 2, 2))
        loss = net(x[..., :2])[0].square().mean()
        for weight, gradient in zip(
            net.parameters(), torch.autograd.grad(loss, [*net.parameters()]), strict=True
        ):
            weight.data.sub_(gradient)

    assert_replays_equal_calls(step, *net.parameters())
    trace = traced(step)
    with torch.no_grad():
        trace.replay()
        assert not torch.is_grad_enabled()


def test_views_copies_and_shared_memory_are_replayed() -> None:
    weight = torch.arange(12.0).view(3, 4)

    def step() -> None:
        view = weight.t()[1:3]
        copy = view.clone()
        alias = copy.detach()
        alias.mul_(1.5)
        view.add_(copy.flip(0))
        first, *_, last = torch.stack([weight, weight * 0.25]).sum(0).chunk(3)
        weight.data[0] += (first - last)[0]

    assert_replays_equal_calls(step, weight)


def test_in_place_shape_change_is_replayed() -> None:
    weight = torch.arange(6.0)

    def step() -> None:
        x = weight * 2
        x.resize_(3, 2)
        weight.add_(x.t_().unsqueeze_(0).squeeze_(0).flatten())

    assert_replays_equal_calls(step, weight)


def test_operations_that_take_or_return_lists_are_replayed() -> None:
    weights = [torch.randn(3), torch.randn(2)]

    def step() -> None:
        torch._foreach_add_(weights, torch._foreach_mul(weights, 0.5))
        values, order = torch.sort(weights[0])
        weights[0].copy_(values.index_select(0, order) + torch.cat(weights).mean())

    assert_replays_equal_calls(step, *weights)


def test_special_and_tiny_floats_are_replayed() -> None:
    weight = torch.tensor([1.0, 2.0])

    def step() -> None:
        bounded = weight.masked_fill(weight > 1.5, float("inf")).clamp(-float("inf"), 1e30)
        weight.copy_(torch.nan_to_num(bounded, nan=float("nan"), posinf=0.1) + 1e-45)

    assert_replays_equal_calls(step, weight)


def test_replay_advances_an_explicit_generator() -> None:
    own, weight = torch.Generator().manual_seed(3), torch.zeros(2)

    def step() -> None:
        weight.add_(torch.randn(2, generator=own)).add_(torch.rand(2))

    state = own.get_state()
    trace = traced(step)
    assert torch.equal(own.get_state(), state)
    trace.replay()
    assert not torch.equal(own.get_state(), state)


def test_replay_frees_memory_after_last_use() -> None:
    weight = torch.zeros(8)
    alive: list[int] = []
    references: list[Any] = []

    class CountLiveTensors(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            if isinstance(result, Tensor):
                references.append(weakref.ref(result))
            gc.collect()
            alive.append(sum(ref() is not None for ref in references))
            return result

    def step() -> None:
        x = weight + 1
        for _ in range(50):
            x = x.sin()
        weight.copy_(x)

    trace = traced(step)
    with CountLiveTensors():
        trace.replay()
    assert len(alive) == 52
    assert max(alive) <= 3


def test_trace_does_not_keep_intermediate_tensors() -> None:
    made: list[weakref.ref[torch.UntypedStorage]] = []
    weight = torch.zeros(4)

    def step() -> None:
        x = weight + 1
        made.append(weakref.ref(x))  # type: ignore[arg-type]
        weight.add_(x)

    trace = traced(step)
    gc.collect()
    assert made[0]() is None
    trace.replay()
    assert torch.equal(weight, torch.ones(4))


def test_reused_address_is_a_new_tensor() -> None:
    weight = torch.zeros(1000)
    addresses = []

    def step() -> None:
        for i in range(20):  # each tensor is freed before the next tensor is created
            x = torch.full((1000,), float(i))
            addresses.append(x.data_ptr())
            weight.add_(x.mul_(0.5).detach())
            del x

    assert_replays_equal_calls(step, weight)
    assert len(set(addresses[:20])) < 20


def test_operations_without_effect_are_omitted() -> None:
    weight = torch.ones(2)

    def step() -> None:
        with torch.profiler.record_function("a mark"):
            weight.add_(weight.detach().view(2).view_as(weight))

    assert [line.call.count("(") for line in _lines(step)] == [1]
    assert_replays_equal_calls(step, weight)


def _lines(function: Callable[[], None]) -> list[Any]:
    from ganctl.training.graph.cpu_trace import Tracer

    tracer = Tracer()
    with tracer:
        function()
    tracer.state.restore()
    return tracer._lines


def test_assignment_of_a_number_is_traced() -> None:
    weight = torch.ones(2, 4)

    def step() -> None:
        weight.add_(torch.rand(2, 4))
        weight[:, 1:3] = 0.25

    state = torch.get_rng_state()
    trace = traced(step)
    trace.replay()
    replayed = weight.clone()
    torch.set_rng_state(state)
    weight.fill_(1)
    step()
    assert torch.equal(weight, replayed)
    assert weight[0].tolist()[1:3] == [0.25, 0.25]


COUNT = {"n": 0.0}


def count(weight: Tensor) -> None:
    COUNT["n"] += 1
    weight.add_(COUNT["n"])


def draw_from_numpy(weight: Tensor) -> None:
    weight.add_(float(np.random.default_rng().random()))


@pytest.mark.parametrize("function", [count, draw_from_numpy])
def test_comparison_detects_state_in_python(function: Callable[[Tensor], None]) -> None:
    weight = torch.zeros(2)
    first = COUNT["n"] + 1
    trace = traced(lambda: function(weight))
    assert trace.replay_matches(lambda: function(weight))  # compared with the traced call
    assert not trace.replay_matches(lambda: function(weight))
    if function is count:
        assert COUNT["n"] == first + 1
        assert (
            weight.tolist() == [first + first + 1] * 2
        )  # the weights contain the result of the call, not of the replay


def test_comparison_accepts_repeatable_functions() -> None:
    weight, own = torch.zeros(2), torch.Generator()
    state = torch.get_rng_state()

    def step() -> None:
        weight.add_(torch.rand(2)).add_(torch.rand(2, generator=own))

    trace = traced(step)
    assert trace.replay_matches(step)
    assert trace.replay_matches(step)
    after = weight.clone()
    torch.set_rng_state(state)
    own.manual_seed(own.initial_seed())
    weight.zero_()
    step()
    step()
    assert torch.equal(after, weight)


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (lambda weight: weight.unsqueeze_(0), "changes the memory layout of a tensor"),
        (
            lambda weight: ((x := weight + 1), x.detach().unsqueeze_(0), x.add_(1)),
            "no operation made it a view",
        ),
        (lambda weight: weight.mul_(weight.sum().item()), "reads a value"),
        (lambda weight: torch.equal(weight, weight), "reads a value"),
        (lambda weight: weight[weight > 0], "selects by a mask"),
        (lambda weight: weight.add_(torch.tensor(1.0)), "Python's numbers"),
        (lambda weight: weight.add_(torch.from_numpy(np.ones(2, np.float32))), "Python's numbers"),
        (lambda weight: torch.bincount(weight.int()), "depends on values"),
    ],
)
def test_refused_function_has_no_effect(function: Callable[[Tensor], Any], error: str) -> None:
    weight = torch.tensor([1.0, 2.0])
    before = weight.clone()

    def step() -> None:
        weight.add_(torch.rand(2))
        function(weight)

    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match=error):
        traced(step)
    assert torch.equal(weight.view(2), before)
    assert torch.equal(torch.get_rng_state(), state)
