"""Time several loops in alternation (A B C A B C), so that other load on the machine affects all loops equally."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

#: A picklable function that creates a loop and returns two functions: one runs a step, one waits for the device.
Maker = Callable[[], tuple[Callable[[], None], Callable[[], None]]]
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def interleave(
    makers: dict[str, Maker], *, rounds: int, seconds: float, clock: str = "wall"
) -> dict[str, list[float]]:
    """Return each loop's seconds per step, with one value per round.

    Each loop runs in a separate process, so that loops share neither memory nor settings. Only one loop runs at a time.

    Args:
        rounds: number of rounds.
        seconds: approximate length of one loop's round. Each round has at least one step.
        clock: ``wall`` for wall-clock time or ``cpu`` for the CPU time of the process. On a busy machine, ``cpu`` is
            more reliable for loops with one thread.
    """
    spawn = multiprocessing.get_context("spawn")
    workers: dict[str, tuple[Any, Connection]] = {}
    times: dict[str, list[float]] = {name: [] for name in makers}
    try:
        for name, maker in makers.items():
            here, there = spawn.Pipe()
            process = spawn.Process(target=_serve, args=(there, maker, clock), daemon=True)
            process.start()
            there.close()  # so that recv fails if the worker exits
            workers[name] = process, here
        steps = {name: _count_steps(seconds, here) for name, (_, here) in workers.items()}
        for _ in range(rounds):
            for name, (_, here) in workers.items():
                times[name].append(_time_steps(here, steps[name]))
    finally:
        for process, here in workers.values():
            here.close()
            process.terminate()
            process.join()
    return times


def steps_per_second(times: list[float]) -> float:
    """Return the steps per second of the median round."""
    return 1 / statistics.median(times)


def speedup(slower: list[float], faster: list[float]) -> float:
    """Return the median of the ratios between the times in ``slower`` and ``faster``, paired by round."""
    return statistics.median(a / b for a, b in zip(slower, faster, strict=True))


def _count_steps(seconds: float, worker: Connection) -> int:
    """Return the number of steps that take about ``seconds``."""
    _time_steps(worker, 1)  # includes starting the process
    start = time.perf_counter()
    _time_steps(worker, 2)
    return max(1, round(2 * seconds / (time.perf_counter() - start)))


def _time_steps(worker: Connection, steps: int) -> float:
    """Run ``steps`` steps in the worker and return the seconds per step."""
    worker.send(steps)
    try:
        elapsed: float = worker.recv()
    except (EOFError, ConnectionError):
        raise SystemExit("A loop failed. See the error above.") from None
    return elapsed / steps


def _serve(requests: Connection, maker: Maker, clock: str) -> None:
    step, wait = maker()
    step()
    now = CLOCKS[clock]
    while True:
        try:
            steps = requests.recv()
        except EOFError:
            return
        wait()
        start = now()
        for _ in range(steps):
            step()
        wait()
        requests.send(now() - start)
