"""Measure how fast a model trains on this machine, and estimate how fast the machine could train it."""

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
from ganctl.system.progress import Reporter
from ganctl.training.devices import arithmetic, choose_device
from ganctl.training.engine import Engine
from ganctl.training.graph.cuda_graph import own_stream
from ganctl.training.graph.warmup_and_replay import Graph, Steps, graph_factory
from ganctl.training.objectives import Due
from ganctl.training.reported_values import Recorder
from ganctl.training.schedules import Schedules
from ganctl.training.setup import compile_networks, load_data, make_engine

ROUNDS = 5
LOG_EVERY = 50  # steps
PROFILED_STEPS = 20


class Loop:
    """The training loop of ``ganctl train`` without a run folder, samples and checkpoints.

    Args:
        make_graph: function that creates the graph that replays steps; None to run every step in Python.
        say: function that prints a message, such as the reason why steps fall back to eager mode.
    """

    def __init__(
        self,
        registry: Registry,
        config: Config,
        images: Images,
        device: torch.device,
        *,
        make_graph: Callable[[], Graph] | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        if device.type == "cpu":
            linear.keep_freed_memory()
        torch.manual_seed(config.seed)
        self.config, self.images, self.device = config, images, device
        self.engine: Engine = make_engine(registry, config, images, device)
        self.schedules = Schedules(
            config.schedules, self.engine, total_steps=10**6, ema_rampup=config.ema_rampup
        )
        self.per_step = self.engine.images_per_step
        self.batches = Batches(
            images, config.batch_size, seed=config.seed, device=device, per_step=self.per_step
        )
        self.recorder = Recorder(config.log_every or LOG_EVERY, device)
        self.draw = self.batches.draw
        if config.compile:
            compile_networks(self.engine, say)
        self.steps = Steps(self.device_step, self.engine, make_graph, say, watch=not config.compile)
        self.taken = 0

    def device_step(self, due: Due) -> None:
        """Run the part of a step that can be replayed as a graph."""
        self.recorder.write(self.engine.step(self.draw, due), due)

    def step(self) -> None:
        """Take one step."""
        self.schedules.apply(self.taken)
        self.batches.prepare(self.taken * self.per_step, self.per_step)
        due = self.engine.due(self.taken)
        self.steps(due)
        self.taken += 1
        self.recorder.advance(due)
        if self.recorder.count == self.recorder.capacity:
            self.recorder.take()

    def wait(self) -> None:
        """Wait until the device has finished all steps."""
        synchronize(self.device)

    def close(self) -> None:
        """Stop reading images."""
        self.batches.close()


@dataclass(frozen=True)
class Measurement:
    """Speed, work and memory of one training step, and the peak speed of the device.

    Attributes:
        step: seconds per step.
        images: real images per step.
        busy: fraction of the time in which the device computed, from 0 to 1; None if unknown.
        flops: floating-point operations per step.
        bytes: minimum number of bytes that a step moves.
        peak_flops: floating-point operations per second of a large matrix product.
        peak_bytes: bytes per second of a large copy.
        memory: maximum number of bytes reserved on a CUDA device; None on other devices.
    """

    step: float
    images: int
    busy: float | None
    flops: int
    bytes: int
    peak_flops: float
    peak_bytes: float
    memory: int | None

    @property
    def floor(self) -> float:
        """Lower bound of the seconds per step, assuming peak speed and no overhead."""
        return max(self.flops / self.peak_flops, self.bytes / self.peak_bytes)


def bench(
    registry: Registry, config: Config, *, seconds: float, reporter: Reporter
) -> tuple[dict[str, Any], Measurement]:
    """Measure the training speed with ``config`` for about ``seconds``.

    Returns:
        The conditions of the measurement by name, such as ``model``, ``device`` and ``torch``, and the measurement.

    Raises:
        GanctlError: ``config`` cannot be trained on this machine.
    """
    device = choose_device(config.device)
    images = load_data(registry, config, reporter).images
    with conditions(config, device):
        make_graph = graph_factory(device, compiled=config.compile) if config.graph else None
        loop = Loop(registry, config, images, device, make_graph=make_graph, say=reporter.say)
        measurement = measure(loop, seconds=seconds)
        loop.close()
    about = {
        "model": config.model,
        "data": config.data.name,
        "images": str(images.shape),
        "batch_size": config.batch_size,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "precision": config.precision,
        "graph": bool(loop.steps.graphs),
        "torch": str(torch.__version__),
    }
    return about, measurement


def measure(loop: Loop, *, seconds: float) -> Measurement:
    """Time ``loop`` for about ``seconds`` after a warm-up, count its operations, and measure the device's peaks."""
    for _ in range(8):  # warm up, which includes capturing a graph
        loop.step()
    loop.wait()
    began = time.perf_counter()
    loop.step()
    loop.wait()
    steps = max(1, round(seconds / ROUNDS / (time.perf_counter() - began)))
    if loop.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(loop.device)
    wall_times, cpu_times = [], []
    for _ in range(ROUNDS):
        began, cpu_began = time.perf_counter(), time.process_time()
        for _ in range(steps):
            loop.step()
        loop.wait()
        wall_times.append((time.perf_counter() - began) / steps)
        cpu_times.append((time.process_time() - cpu_began) / steps)
    step = statistics.median(wall_times)
    memory = busy = None
    if loop.device.type == "cuda":
        memory = torch.cuda.max_memory_reserved(loop.device)
        busy = busy_share(loop)
    elif loop.device.type == "cpu":
        busy = min(1.0, statistics.median(cpu_times) / step / torch.get_num_threads())
    return Measurement(
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
    """Return the fraction of the time in which a CUDA device ran kernels or copies, measured with the profiler."""
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
    """Return the fraction of the time from the first start to the last end that the sorted ``spans`` cover."""
    if not spans:
        return 0.0
    busy, end = 0.0, spans[0][0]
    for start, stop in spans:
        busy += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return busy / (end - spans[0][0]) if end > spans[0][0] else 0.0


def count_flops(loop: Loop) -> int:
    """Take one step and return the floating-point operations of its matrix products and convolutions."""
    with _Flops() as flops:
        loop.batches.prepare(loop.taken * loop.per_step, loop.per_step)
        loop.device_step(loop.engine.due(loop.taken))
    loop.taken += 1
    loop.recorder.take()
    return flops.total


class _Flops(TorchDispatchMode):
    """Mode that counts floating-point operations with torch's formulas.

    torch's ``FlopCounterMode`` does not count gradients of gradients.
    """

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        if formula := flop_registry.get(packet):
            self.total += int(formula(*args, **(kwargs or {}), out_val=output))
        elif packet.__name__ == "_linear_pointwise":
            self.total += 2 * output.numel() * args[0].shape[-1]
        return output


def least_bytes(engine: Engine) -> int:
    """Return the minimum number of bytes that a step moves.

    Each update reads and writes weights, gradients and optimizer states. Activations are not counted because they may
    remain in caches.
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
    """Measure the floating-point operations per second of a large matrix product in ``precision``."""
    n = 8192 if device.type == "cuda" else 1024
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    product: Callable[[], Any] = lambda: a @ b  # noqa: E731
    if device.type == "cpu" and dtype == torch.float32 and linear.onednn_is_faster():
        product = lambda: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")  # noqa: E731
    return 2 * n**3 / _shortest_time(product, device)


def peak_bytes(device: torch.device) -> float:
    """Measure the bytes per second, read and written, of a large copy."""
    size = 2**30 if device.type == "cuda" else 2**27
    a = torch.zeros(size, dtype=torch.uint8, device=device)
    b = torch.zeros_like(a)
    return 2 * size / _shortest_time(lambda: b.copy_(a), device)


def _shortest_time(call: Callable[[], Any], device: torch.device) -> float:
    """Return the seconds of the fastest of several calls."""
    times = []
    for _ in range(6):
        synchronize(device)
        began = time.perf_counter()
        call()
        synchronize(device)
        times.append(time.perf_counter() - began)
    return min(times)


@contextmanager
def conditions(config: Config, device: torch.device) -> Iterator[None]:
    """Configure torch as in a training run with ``config``."""
    with own_stream(device), arithmetic(config.precision, deterministic=config.deterministic):
        yield


def synchronize(device: torch.device) -> None:
    """Wait until ``device`` has finished all queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
