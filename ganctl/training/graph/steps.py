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

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Protocol

import torch

from ganctl.training.engine import Engine
from ganctl.training.graph.cpu_trace import Trace
from ganctl.training.graph.cuda import CudaGraph
from ganctl.training.graph.host_state import difference, host_state
from ganctl.training.graph.host_syncs import obstacles

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
        elif changed := difference(before, host_state(self._engine)):
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


def graph_of(device: torch.device, *, compiled: bool = False) -> Callable[[], Graph] | None:
    """What makes a graph of a step on ``device``; None where there are no graphs.

    Args:
        compiled: whether torch.compile made kernels for the networks. They cannot be traced.
    """
    if device.type == "cuda":
        return partial(CudaGraph, device)
    return Trace if device.type == "cpu" and not compiled else None
