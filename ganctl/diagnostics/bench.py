"""How fast a model trains on this machine, and how far that is from what the machine could do."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ganctl.config.settings import Config
from ganctl.data.batches import Batches
from ganctl.dataset import Images
from ganctl.kernels import linear
from ganctl.plugin.registry import Registry
from ganctl.training.devices import arithmetic
from ganctl.training.engine import Engine
from ganctl.training.graph.cuda import own_stream
from ganctl.training.graph.steps import Graph, Steps
from ganctl.training.recorder import Recorder
from ganctl.training.schedules import Schedules
from ganctl.training.setup import compile_networks, make_engine

TURNS = 5
PROFILED_STEPS = 20
Say = Callable[[str], None]


class Loop:
    """One model in training, as ``ganctl train`` drives it, without a run folder, pictures and checkpoints."""

    def __init__(
        self,
        registry: Registry,
        config: Config,
        images: Images,
        device: torch.device,
        *,
        make_graph: Callable[[], Graph] | None = None,
        say: Say = lambda text: None,
    ) -> None:
        if device.type == "cpu":
            linear.keep_freed_memory()
        torch.manual_seed(config.seed)
        self.config, self.images, self.device = config, images, device
        self.engine: Engine = make_engine(registry, config, images, device)
        self.schedules = Schedules(config.schedules, self.engine, total_steps=10**6)
        self.per_step = self.engine.images_per_step
        self.batches = Batches(
            images, config.batch_size, seed=config.seed, device=device, per_step=self.per_step
        )
        self.recorder = Recorder(config.log_every, device)
        self.draw = self.batches.draw
        if config.compile:
            compile_networks(self.engine, say)
        self.steps = Steps(self.device_step, self.engine, make_graph, say, watch=not config.compile)
        self.taken = 0

    def device_step(self) -> None:
        self.recorder.write(self.engine.step(self.draw))

    def step(self) -> None:
        self.schedules.apply(self.taken)
        self.batches.prepare(self.taken * self.per_step, self.per_step)
        self.steps()
        self.taken += 1
        self.recorder.count += 1
        if self.recorder.count == self.recorder.capacity:
            self.recorder.take()

    def wait(self) -> None:
        synchronize(self.device)

    def close(self) -> None:
        self.batches.close()


@dataclass(frozen=True)
class Figures:
    """What was measured. Times in seconds, work of one step."""

    step: float
    images: int
    busy: float | None  # share of the time in which the device computed
    flops: int
    bytes: int
    peak_flops: float  # a second
    peak_bytes: float
    memory: int | None  # most bytes of the device's memory, on CUDA

    @property
    def floor(self) -> float:
        """Seconds that the step would take if the device computed at its peak and nothing else took time."""
        return max(self.flops / self.peak_flops, self.bytes / self.peak_bytes)


def measure(loop: Loop, *, seconds: float) -> Figures:
    """Time ``loop`` for about ``seconds``, after a warm-up; then count its work and try the device's peaks."""
    for _ in range(8):  # a graph is captured in these
        loop.step()
    loop.wait()
    began = time.perf_counter()
    loop.step()
    loop.wait()
    steps = max(1, round(seconds / TURNS / (time.perf_counter() - began)))
    if loop.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(loop.device)
    turns, used = [], []
    for _ in range(TURNS):
        began, worked = time.perf_counter(), time.process_time()
        for _ in range(steps):
            loop.step()
        loop.wait()
        turns.append((time.perf_counter() - began) / steps)
        used.append((time.process_time() - worked) / steps)
    step = statistics.median(turns)
    memory = busy = None
    if loop.device.type == "cuda":
        memory = torch.cuda.max_memory_reserved(loop.device)
        busy = busy_share(loop)
    elif loop.device.type == "cpu":
        busy = min(1.0, statistics.median(used) / step / torch.get_num_threads())
    return Figures(
        step=step,
        images=loop.per_step,
        busy=busy,
        flops=count_flops(loop),
        bytes=least_bytes(loop.engine),
        peak_flops=peak_flops(loop.device, loop.config.precision),
        peak_bytes=peak_bytes(loop.device),
        memory=memory,
    )


def busy_share(loop: Loop) -> float:
    """The share of a few steps' time in which a CUDA device had a kernel or a copy to do, by the profiler."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(PROFILED_STEPS):
            loop.step()
        loop.wait()
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in profile.events() or []
        if event.device_type == torch.autograd.DeviceType.CUDA
    )
    return covered(spans)


def covered(spans: list[tuple[float, float]]) -> float:
    """The share of the time from the first start to the last end that lies in one of ``spans``, sorted by start."""
    if not spans:
        return 0.0
    busy, end = 0.0, spans[0][0]
    for start, stop in spans:
        busy += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return busy / (end - spans[0][0]) if end > spans[0][0] else 0.0


def count_flops(loop: Loop) -> int:
    """Floating-point operations of one step's matrix products and convolutions; it takes such a step."""
    with _Flops() as flops:
        loop.batches.prepare(loop.taken * loop.per_step, loop.per_step)
        loop.device_step()
    loop.taken += 1
    loop.recorder.take()
    return flops.total


class _Flops(TorchDispatchMode):
    """Adds up torch's formulas. Its own FlopCounterMode stops at a gradient of a gradient."""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        answer = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        if formula := flop_registry.get(packet):
            self.total += int(formula(*args, **(kwargs or {}), out_val=answer))
        elif packet.__name__ == "_linear_pointwise":
            self.total += 2 * answer.numel() * args[0].shape[-1]
        return answer


def least_bytes(engine: Engine) -> int:
    """Bytes that a step moves at the least: each update reads and writes weights, gradients and optimizer states.

    Activations are left out: they may stay in caches.
    """
    total = 0
    for network, optimizer, updates in (
        (engine.D, engine.d_optimizer, engine.n_critic),
        (engine.G, engine.g_optimizer, 1),
    ):
        weights = sum(w.nbytes for w in network.parameters() if w.requires_grad)
        states = sum(
            value.nbytes
            for memory in optimizer.state.values()
            for value in memory.values()
            if isinstance(value, torch.Tensor)
        )
        total += updates * 2 * (2 * weights + states)
    return total


def peak_flops(device: torch.device, precision: str) -> float:
    """Floating-point operations a second of a large matrix product in ``precision``, measured."""
    n = 8192 if device.type == "cuda" else 1024
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    product: Callable[[], Any] = lambda: a @ b  # noqa: E731
    if device.type == "cpu" and dtype == torch.float32 and linear.onednn_is_quicker():
        product = lambda: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")  # noqa: E731
    return 2 * n**3 / _best(product, device)


def peak_bytes(device: torch.device) -> float:
    """Bytes a second, read and written, of a large copy, measured."""
    size = 2**30 if device.type == "cuda" else 2**27
    a = torch.zeros(size, dtype=torch.uint8, device=device)
    b = torch.zeros_like(a)
    return 2 * size / _best(lambda: b.copy_(a), device)


def _best(what: Callable[[], Any], device: torch.device) -> float:
    """Seconds of the quickest of a few calls."""
    times = []
    for _ in range(6):
        synchronize(device)
        began = time.perf_counter()
        what()
        synchronize(device)
        times.append(time.perf_counter() - began)
    return min(times)


@contextmanager
def conditions(config: Config, device: torch.device) -> Iterator[None]:
    """Within, torch computes as in a training of ``config``."""
    with own_stream(device), arithmetic(config.precision, deterministic=config.deterministic):
        yield


def synchronize(device: torch.device) -> None:
    """Wait until ``device`` has done what it was given, so that a clock says something."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
