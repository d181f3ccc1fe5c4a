"""The step as a graph: on CUDA given to the GPU once, replayed with one launch ever after; on a CPU, a trace.

The first steps of a run are taken as they stand, on the stream that the graph is captured on; they are what
libraries need to choose their kernels, and the last of them is watched for what a replay could not repeat. Capturing
then executes nothing, so a run with a graph does, step by step, what a run without one does. Random numbers do too:
torch counts in the graph how many a step draws, and moves the generator's state on before each replay, so what a
checkpoint saves of it is right at any step.

A replay runs no Python. What changes from step to step lies in tensors that keep their addresses: weights, buffers,
the optimizers' state, learning rates, the position in the data, the row of the report that is next. Whatever the
host remembers instead (a counter in a module, ``self.x = new``) is noticed beforehand, and the run goes on without.
On a CPU, where that is cheap, two steps are also taken both ways and compared to the bit.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ganctl.engine import Engine
from ganctl.hostreads import obstacles
from ganctl.trace import Trace

WARM_UP = 3  # steps; torch's own advice. Lazy state is made in the first, kernels are chosen in the first two


class Graph(Protocol):
    """What a device was told to do, to be told again at once."""

    announcement: str | None  # what a user is told when there is one

    def capture(self, function: Callable[[], None]) -> None:
        """Keep what ``function`` tells the device to do, without doing it.

        Raises:
            Exception: it cannot be kept; whatever it was, everything is as if it had not been tried.
        """

    def replay(self) -> None:
        """Do it."""

    def repeats(self, function: Callable[[], None]) -> bool:
        """Do it, and tell whether ``function``, called now, would have done the same; if not, call that."""


class Steps:
    """Calls ``step`` once a call: from Python at first and, where it can be, by replays of its graph.

    Args:
        step: one step of ``engine``, with nothing in it that has to happen on the host.
        make_graph: makes the graph; None: every step is taken from Python.
        say: is told in one line from when on there is a graph, or why there is none.
        hindrance: a reason that is known already why there can be none.
        watch: whether torch's operations are looked at before; torch.compile would step aside for that.
    """

    def __init__(
        self,
        step: Callable[[], None],
        engine: Engine,
        make_graph: Callable[[], Graph] | None,
        say: Callable[[str], None],
        *,
        hindrance: str | None = None,
        watch: bool = True,
    ) -> None:
        self._step, self._engine, self._make_graph, self._say = step, engine, make_graph, say
        self._taken, self._watch = 0, watch
        self.graph: Graph | None = None
        if make_graph and hindrance:
            self._go_without(hindrance)

    def __call__(self) -> None:
        if self.graph is None and self._make_graph is not None and self._taken == WARM_UP:
            self._capture(self._make_graph())
        if self.graph is not None and self._taken <= WARM_UP + 1:  # the same inputs, and other ones
            if not self.graph.repeats(self._step):
                self._go_without("a replay comes to other values: something depends on what Python remembers")
        elif self.graph is not None:
            self.graph.replay()
        elif self._make_graph is not None and self._taken == WARM_UP - 1:
            self._watched_step()
        else:
            self._step()
        self._taken += 1

    def _watched_step(self) -> None:
        before = host_state(self._engine)
        none: list[str] = []
        with obstacles(self._engine.device) if self._watch else nullcontext(none) as found:
            self._step()
        if found:
            self._go_without(found[0])
        elif changed := _difference(before, host_state(self._engine)):
            self._go_without(changed)

    def _capture(self, graph: Graph) -> None:
        for optimizer in (self._engine.g_optimizer, self._engine.d_optimizer):
            optimizer.zero_grad(set_to_none=True)  # gradients are made anew, in the graph's memory
        try:
            graph.capture(self._step)
        except Exception as error:
            while error.__context__ is not None:  # a capture that is broken off complains about that, too
                error = error.__context__  # type: ignore[assignment]
            text = " ".join(str(error).split("\n")[0].split())
            self._go_without(f"{type(error).__name__}: {text}")
            return
        self.graph = graph
        if graph.announcement:
            self._say(graph.announcement)

    def _go_without(self, why: str) -> None:
        self._make_graph = self.graph = None
        self._say(f"Every step is taken from Python, which is slower: {why.rstrip('.')}.")


class CudaGraph:
    """CUDA's. Must be used on a stream other than the default one, as :func:`own_stream` gives."""

    announcement: str | None = "The step is a CUDA graph from here on."

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._graph = torch.cuda.CUDAGraph()

    def capture(self, function: Callable[[], None]) -> None:
        pool = torch.cuda.graph_pool_handle()
        random_numbers = torch.cuda.get_rng_state(self._device)
        try:
            # thread_local: another thread may pin memory for the batches to come while this one captures.
            # Mixed precision needs no care: each cast is made and forgotten within the step.
            with torch.cuda.graph(
                self._graph,
                pool=pool,
                stream=torch.cuda.current_stream(self._device),
                capture_error_mode="thread_local",
            ):
                function()
        except BaseException:
            _mend(self._device, pool, random_numbers)
            raise

    def replay(self) -> None:
        self._graph.replay()

    def repeats(self, function: Callable[[], None]) -> bool:
        self.replay()  # both ways would take the memory twice
        return True


def graph_of(device: torch.device, *, compiled: bool = False) -> Callable[[], Graph] | None:
    """What makes a graph of a step on ``device``; None where there are no graphs.

    Args:
        compiled: whether torch.compile made kernels for the networks. They cannot be traced.
    """
    if device.type == "cuda":
        return partial(CudaGraph, device)
    return Trace if device.type == "cpu" and not compiled else None


def _mend(device: torch.device, pool: Any, random_numbers: Tensor) -> None:
    """Bring torch back to what it was before a capture that CUDA declared invalid, and which torch leaves half-way."""
    index = device.index if device.index is not None else torch.cuda.current_device()
    with suppress(
        Exception
    ):  # so that memory is no longer taken from the graph's pool; private, as is the fault
        torch._C._cuda_endAllocateToPool(index, pool)
    # Up to some version the generator still believes it is being captured; its successor does not.
    successor = torch.Generator(device)
    successor.set_state(random_numbers)
    torch.cuda.default_generators[index].graphsafe_set_state(successor)
    torch.cuda.synchronize(device)


@contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """Within, everything on a CUDA device is queued on a stream that can be captured."""
    if device.type != "cuda":
        yield
        return
    with torch.cuda.device(device):
        outside, inside = torch.cuda.current_stream(), torch.cuda.Stream()
        inside.wait_stream(outside)
        try:
            with torch.cuda.stream(inside):
                yield
        finally:
            outside.wait_stream(inside)


def host_state(engine: Engine) -> dict[str, Any]:
    """What Python remembers from step to step, and where its tensors lie: what no replay would change."""
    state: dict[str, Any] = {"Python's random numbers": hash(random.getstate())}
    if numpy := sys.modules.get("numpy"):
        state["numpy's random numbers"] = str(numpy.random.get_state(legacy=False))
    if engine.device.type != "cpu":
        state["torch's random numbers on the CPU"] = bytes(torch.get_rng_state().numpy())
    for name in ("G", "D", "G_ema", "loss", "augment", "latent"):
        part = getattr(engine, name)
        modules = part.named_modules() if isinstance(part, nn.Module) else [("", part)]
        for path, module in modules:
            for key, value in _remembered(module):
                state[".".join(filter(None, (name, path, key)))] = value
    for name in ("g_optimizer", "d_optimizer"):
        optimizer = getattr(engine, name)
        for key, value in vars(optimizer).items():
            if isinstance(value, bool | int | float):
                state[f"{name}.{key}"] = value
        for number, group in enumerate(optimizer.param_groups):
            for key, value in group.items():
                if key != "params":
                    state[f"{name}'s {key} of group {number}"] = _identity(value)
        for number, memory in enumerate(optimizer.state.values()):
            for key, value in memory.items():
                state[f"{name}'s {key} of weight {number}"] = _identity(value)
    return state


def _remembered(module: object) -> Iterator[tuple[str, Any]]:
    attributes = dict(vars(module)) if hasattr(module, "__dict__") else {}
    if isinstance(module, nn.Module):
        for table in ("_parameters", "_buffers"):
            attributes.update(attributes.pop(table))
        attributes.pop("_modules")
    for key, value in attributes.items():
        yield key, _identity(value)


def _identity(value: Any) -> Any:
    """What tells whether ``value`` was changed by Python: where a tensor lies, what anything plain is."""
    if isinstance(value, Tensor):
        return "tensor at", value.data_ptr(), tuple(value.shape)
    if isinstance(value, list | tuple):
        return [_identity(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _identity(item) for key, item in value.items()}
    return value if isinstance(value, bool | int | float | str | None) else type(value).__name__


def _difference(before: dict[str, Any], after: dict[str, Any]) -> str | None:
    for name, value in after.items():
        if name not in before or before[name] != value:
            if name.endswith(("random numbers", "on the CPU")):
                return f"a step draws {name}"
            tensor = isinstance(value, tuple) and value[:1] == ("tensor at",)
            return f"{name} is {'another tensor' if tensor else 'changed by Python'} after each step"
    return None
