"""Take steps by replaying a graph of one step: a CUDA graph on a GPU, a trace on a CPU.

The first steps of a run are eager, on the stream that the graph is captured on. Libraries choose their kernels in
these steps, and the last of them is watched for anything that a replay could not repeat. Capturing then executes
nothing, so a run with a graph computes the same values, step by step, as a run without one. This includes random
numbers: torch records in the graph how many a step draws and advances the generator before each replay, so the
generator's state in a checkpoint is correct at any step.

A replay runs no Python. Everything that changes from step to step is in tensors that keep their addresses: weights,
buffers, the optimizers' state, learning rates, the position in the data, the next row of the report. State that
changes on the host instead (a counter in a module, ``self.x = new``) is detected before the capture, and the run
falls back to eager steps. On a CPU, where that is cheap, the first two replays are also compared with eager steps bit
by bit.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, Protocol

import torch

from ganctl.training.engine import Engine
from ganctl.training.graph.changing_python_state import describe_change, host_state
from ganctl.training.graph.cpu_trace import Trace
from ganctl.training.graph.cuda_graph import CudaGraph
from ganctl.training.graph.host_syncs import HostSync, watch_host_syncs
from ganctl.training.objectives import Due

#: Eager steps before the capture, as torch recommends. Lazy state is created in the first, kernels are chosen in the
#: first two, and the last is watched.
WARM_UP = 3


class Graph(Protocol):
    """A captured function that can be replayed on the device without Python."""

    announcement: str | None  # a line for the user after a successful capture

    def capture(self, function: Callable[[], None]) -> None:
        """Record what ``function`` does on the device, without any lasting effect.

        Raises:
            Exception: ``function`` cannot be captured. All state is as before the attempt.
        """

    def replay(self) -> None:
        """Repeat the effect of ``function`` on the device."""

    def replay_matches(self, function: Callable[[], None]) -> bool:
        """Replay, and return whether calling ``function`` has the same effect. If not, keep the effect of the call."""


class Steps:
    """A callable that takes one step of a run per call, with a graph for each combination of regularizers that occurs.

    Args:
        step: function that takes one step of ``engine`` with the regularizers that are due. It does nothing that has
            to happen on the host.
        make_graph: factory of the graphs; None: every step is eager.
        log: function that receives one line, when there is a graph or when the run falls back to eager steps.
        fallback_reason: reason to fall back to eager steps immediately.
        watch: watch torch's operations for host synchronizations; torch.compile does not work under such a watch.
    """

    def __init__(
        self,
        step: Callable[[Due], None],
        engine: Engine,
        make_graph: Callable[[], Graph] | None,
        log: Callable[[str], None],
        *,
        fallback_reason: str | None = None,
        watch: bool = True,
    ) -> None:
        self._by_due: dict[Due, WarmUpAndReplay] = {}
        self._said: set[str] = set()
        self._log = log

        def make(due: Due) -> WarmUpAndReplay:
            return WarmUpAndReplay(
                partial(step, due),
                engine,
                make_graph,
                self._say,
                fallback_reason=fallback_reason,
                watch=watch,
            )

        self._make = make

    def __call__(self, due: Due = ()) -> None:
        if due not in self._by_due:
            self._by_due[due] = self._make(due)
        self._by_due[due]()

    @property
    def graphs(self) -> list[Graph]:
        """The graphs that are replayed."""
        return [steps.graph for steps in self._by_due.values() if steps.graph is not None]

    def _say(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._log(line)


class WarmUpAndReplay:
    """A callable that takes one step per call, eagerly at first and then by replaying a graph.

    Each phase is a method that takes one step and returns the phase of the next step::

        warm_up → watched → captured → compared → replaying
                     ↓          ↓          ↓
                     └──────→ eager ←──────┘

    For the arguments, see :class:`Steps`.

    Attributes:
        graph: the graph that is replayed, or None.
    """

    def __init__(
        self,
        step: Callable[[], None],
        engine: Engine,
        make_graph: Callable[[], Graph] | None,
        log: Callable[[str], None],
        *,
        fallback_reason: str | None = None,
        watch: bool = True,
    ) -> None:
        self._step, self._engine, self._make_graph, self._log, self._watch = (
            step,
            engine,
            make_graph,
            log,
            watch,
        )
        self.graph: Graph | None = None
        self._warm_up_steps = 0
        self._phase: Phase = self._warm_up if make_graph else self._eager
        if make_graph and fallback_reason:
            self._phase = self._fall_back(fallback_reason)

    def __call__(self) -> None:
        self._phase = self._phase()

    def _warm_up(self) -> Phase:
        self._step()
        self._warm_up_steps += 1
        return self._watched if self._warm_up_steps == WARM_UP - 1 else self._warm_up

    def _watched(self) -> Phase:
        """Take an eager step, and look for anything that a replay could not repeat."""
        before = host_state(self._engine)
        syncs: list[HostSync] = []
        with watch_host_syncs(syncs.append) if self._watch else nullcontext():
            self._step()
        for sync in syncs:
            if sync.blocks_capture(self._engine.device):
                return self._fall_back(_describe(sync, self._engine.device))
        if change := describe_change(before, host_state(self._engine)):
            return self._fall_back(change)
        return self._captured

    def _captured(self) -> Phase:
        """Capture the step, which executes nothing, and take it by the first replay."""
        assert self._make_graph is not None
        graph = self._make_graph()
        for optimizer in (self._engine.g_optimizer, self._engine.d_optimizer):
            optimizer.zero_grad(set_to_none=True)  # the graph allocates gradients in its own memory
        failure = None
        try:
            graph.capture(self._step)
        except Exception as error:
            failure = _root_cause(error)
        if failure:
            self._step()
            return self._fall_back(failure)
        self.graph = graph
        if graph.announcement:
            self._log(graph.announcement)
        return self._replay_and_compare(following=self._compared)

    def _compared(self) -> Phase:
        """Take a second step by a replay that is compared: its inputs differ from those of the capture."""
        return self._replay_and_compare(following=self._replaying)

    def _replaying(self) -> Phase:
        assert self.graph is not None
        self.graph.replay()
        return self._replaying

    def _eager(self) -> Phase:
        self._step()
        return self._eager

    def _replay_and_compare(self, *, following: Phase) -> Phase:
        assert self.graph is not None
        if self.graph.replay_matches(self._step):
            return following
        return self._fall_back("a replay computes other values, so something depends on state in Python")

    def _fall_back(self, reason: str) -> Phase:
        self.graph = None
        self._log(f"Falls back to eager steps, which are slower: {reason.rstrip('.')}.")
        return self._eager


def _describe(sync: HostSync, device: torch.device) -> str:
    place, remedy = sync.place, sync.place.remedy(device) if sync.place else ""
    comma = "" if place is None or str(place).startswith("the ") else ","
    return f"{place or 'the backward pass'}{comma} {sync.describe()} in every step{remedy}"


Phase = Callable[[], Any]  # returns the next Phase; mypy has no recursive alias for it


def graph_factory(device: torch.device, *, compiled: bool = False) -> Callable[[], Graph] | None:
    """Return a factory of graphs for steps on ``device``; None if the device has no graphs.

    Args:
        compiled: torch.compile made kernels for the networks, which cannot be traced on a CPU.
    """
    if device.type == "cuda":
        return partial(CudaGraph, device)
    return Trace if device.type == "cpu" and not compiled else None


def _root_cause(error: BaseException) -> str:
    """Return the first line of the first error: ending an interrupted capture raises further errors."""
    while error.__context__ is not None:
        error = error.__context__
    first_line = str(error).split("\n")[0]
    return f"{type(error).__name__}: {' '.join(first_line.split())}"
