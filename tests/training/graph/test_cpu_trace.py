"""What a trace of torch's operations repeats, and what it refuses."""

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


def hold(function: Callable[[], None], *tensors: Tensor, times: int = 3) -> None:
    """Hold replays of ``function`` to its calls: bit for bit what ``tensors`` become, and what is drawn after."""
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


def test_a_training_step_with_a_gradient_of_a_gradient() -> None:
    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))
    optimizer = torch.optim.Adam(net.parameters(), fused=True)

    def step() -> None:
        x = torch.randn(4, 3).requires_grad_()
        (slope,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
        optimizer.zero_grad()
        ((slope.norm(dim=1) - 1) ** 2).mean().backward()
        optimizer.step()

    step()  # Adam's memory
    memory = [value for state in optimizer.state.values() for value in state.values()]
    hold(step, *net.parameters(), *memory)


def test_what_batch_normalization_does_not_say_that_it_writes_is_changed_back() -> None:
    net = nn.BatchNorm1d(3)
    hold(lambda: net(torch.randn(5, 3) * 2 + 1), net.running_mean, net.running_var, net.num_batches_tracked)


def test_kernels_that_ask_whether_gradients_are_wanted() -> None:
    net = nn.LSTM(2, 3)

    def step() -> None:
        with torch.no_grad():
            x, _ = net(torch.randn(3, 2, 2))
        loss = net(x[..., :2])[0].square().mean()
        for weight, gradient in zip(
            net.parameters(), torch.autograd.grad(loss, [*net.parameters()]), strict=True
        ):
            weight.data.sub_(gradient)

    hold(step, *net.parameters())
    trace = traced(step)
    with torch.no_grad():
        trace.replay()
        assert not torch.is_grad_enabled()


def test_views_copies_and_what_lies_in_the_same_memory() -> None:
    weight = torch.arange(12.0).view(3, 4)

    def step() -> None:
        view = weight.t()[1:3]
        copy = view.clone()
        alias = copy.detach()
        alias.mul_(1.5)
        view.add_(copy.flip(0))
        first, *_, last = torch.stack([weight, weight * 0.25]).sum(0).chunk(3)
        weight.data[0] += (first - last)[0]

    hold(step, weight)


def test_a_tensor_whose_shape_is_changed_in_place() -> None:
    weight = torch.arange(6.0)

    def step() -> None:
        x = weight * 2
        x.resize_(3, 2)
        weight.add_(x.t_().unsqueeze_(0).squeeze_(0).flatten())

    hold(step, weight)


def test_operations_with_several_answers_and_with_lists() -> None:
    weights = [torch.randn(3), torch.randn(2)]

    def step() -> None:
        torch._foreach_add_(weights, torch._foreach_mul(weights, 0.5))
        values, order = torch.sort(weights[0])
        weights[0].copy_(values.index_select(0, order) + torch.cat(weights).mean())

    hold(step, *weights)


def test_numbers_that_python_writes_in_its_own_way() -> None:
    weight = torch.tensor([1.0, 2.0])

    def step() -> None:
        bounded = weight.masked_fill(weight > 1.5, float("inf")).clamp(-float("inf"), 1e30)
        weight.copy_(torch.nan_to_num(bounded, nan=float("nan"), posinf=0.1) + 1e-45)

    hold(step, weight)


def test_random_numbers_come_from_the_generator_that_was_given() -> None:
    own, weight = torch.Generator().manual_seed(3), torch.zeros(2)

    def step() -> None:
        weight.add_(torch.randn(2, generator=own)).add_(torch.rand(2))

    state = own.get_state()
    trace = traced(step)
    assert torch.equal(own.get_state(), state)
    trace.replay()
    assert not torch.equal(own.get_state(), state)


def test_memory_is_freed_in_a_replay_as_soon_as_it_would_be() -> None:
    weight = torch.zeros(8)
    alive: list[int] = []
    kept: list[Any] = []

    class Watched(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            answer = func(*args, **(kwargs or {}))
            if isinstance(answer, Tensor):
                kept.append(weakref.ref(answer))
            gc.collect()
            alive.append(sum(ref() is not None for ref in kept))
            return answer

    def step() -> None:
        x = weight + 1
        for _ in range(50):
            x = x.sin()
        weight.copy_(x)

    trace = traced(step)
    with Watched():
        trace.replay()
    assert len(alive) == 52
    assert max(alive) <= 3


def test_nothing_is_kept_of_what_was_made_while_tracing() -> None:
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


def test_an_address_that_comes_again_is_another_tensor() -> None:
    weight = torch.zeros(1000)
    addresses = []

    def step() -> None:
        for i in range(20):  # each is gone when the next is made
            x = torch.full((1000,), float(i))
            addresses.append(x.data_ptr())
            weight.add_(x.mul_(0.5).detach())
            del x

    hold(step, weight)
    assert len(set(addresses[:20])) < 20


def test_what_is_not_needed_for_tensors_is_left_out() -> None:
    weight = torch.ones(2)

    def step() -> None:
        with torch.profiler.record_function("a step"):
            weight.add_(weight.detach().view(2).view_as(weight))

    assert [line.call.count("(") for line in _lines(step)] == [1]
    hold(step, weight)


def _lines(function: Callable[[], None]) -> list[Any]:
    from ganctl.training.graph.cpu_trace import Tracer

    tracer = Tracer()
    with tracer:
        function()
    tracer.memory.undo()
    return tracer._lines


COUNT = {"n": 0.0}


def counted(weight: Tensor) -> None:
    COUNT["n"] += 1
    weight.add_(COUNT["n"])


def drawn(weight: Tensor) -> None:
    weight.add_(float(np.random.default_rng().random()))


@pytest.mark.parametrize("does", [counted, drawn])
def test_what_python_remembers_shows_when_it_is_compared(does: Callable[[Tensor], None]) -> None:
    weight = torch.zeros(2)
    first = COUNT["n"] + 1
    trace = traced(lambda: does(weight))
    assert trace.repeats(lambda: does(weight))  # the step that was written down
    assert not trace.repeats(lambda: does(weight))
    if does is counted:
        assert COUNT["n"] == first + 1
        assert weight.tolist() == [first + first + 1] * 2  # as the call left it, not the replay


def test_the_control_what_repeats_itself_does() -> None:
    weight, own = torch.zeros(2), torch.Generator()
    state = torch.get_rng_state()

    def step() -> None:
        weight.add_(torch.rand(2)).add_(torch.rand(2, generator=own))

    trace = traced(step)
    assert trace.repeats(step)
    assert trace.repeats(step)
    after = weight.clone()
    torch.set_rng_state(state)
    own.manual_seed(own.initial_seed())
    weight.zero_()
    step()
    step()
    assert torch.equal(after, weight)


@pytest.mark.parametrize(
    ("does", "why"),
    [
        (lambda weight: weight.unsqueeze_(0), "changes where a tensor lies"),
        (
            lambda weight: ((x := weight + 1), x.detach().unsqueeze_(0), x.add_(1)),
            "in a way that no operation made",
        ),
        (lambda weight: weight.mul_(weight.sum().item()), "reads a value"),
        (lambda weight: torch.equal(weight, weight), "reads a value"),
        (lambda weight: weight[weight > 0], "selects by a mask"),
        (lambda weight: weight.add_(torch.tensor(1.0)), "Python's numbers"),
        (lambda weight: weight.add_(torch.from_numpy(np.ones(2, np.float32))), "Python's numbers"),
        (lambda weight: torch.bincount(weight.int()), "depends on values"),
    ],
)
def test_what_cannot_be_repeated_is_refused_without_a_trace(does: Callable[[Tensor], Any], why: str) -> None:
    weight = torch.tensor([1.0, 2.0])
    before = weight.clone()

    def step() -> None:
        weight.add_(torch.rand(2))
        does(weight)

    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match=why):
        traced(step)
    assert torch.equal(weight.view(2), before)
    assert torch.equal(torch.get_rng_state(), state)
