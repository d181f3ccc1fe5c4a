"""Time several loops in turn, A B C A B C, so that what else the machine does falls on all of them alike."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

#: Makes a loop; returns one step of it and a function that waits for the device. Must be picklable.
Maker = Callable[[], tuple[Callable[[], None], Callable[[], None]]]
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def interleaved(
    makers: dict[str, Maker], *, rounds: int, seconds: float, clock: str = "wall"
) -> dict[str, list[float]]:
    """Seconds a step of each loop, one value a round.

    Each loop lives in a process of its own, so that none inherits the other's memory or settings, and only one
    runs at a time.

    Args:
        rounds: how often it is each loop's turn.
        seconds: how long a turn is, about; at least one step.
        clock: ``wall``, or ``cpu``: processor time of the process, which on a busy machine says more for loops
            of one thread.
    """
    spawn = multiprocessing.get_context("spawn")
    workers: dict[str, tuple[Any, Connection]] = {}
    times: dict[str, list[float]] = {name: [] for name in makers}
    try:
        for name, maker in makers.items():
            here, there = spawn.Pipe()
            process = spawn.Process(target=_work, args=(there, maker, clock), daemon=True)
            process.start()
            there.close()  # so that a worker's death ends our waiting for it
            workers[name] = process, here
        count = {name: _steps_in(seconds, here) for name, (_, here) in workers.items()}
        for _ in range(rounds):
            for name, (_, here) in workers.items():
                times[name].append(_turn(here, count[name]))
    finally:
        for process, here in workers.values():
            here.close()
            process.terminate()
            process.join()
    return times


def per_second(times: list[float]) -> float:
    """Steps a second, by the median round."""
    return 1 / statistics.median(times)


def ratio(slower: list[float], faster: list[float]) -> float:
    """How many times as fast: the median over rounds, each beside its neighbor in time."""
    return statistics.median(a / b for a, b in zip(slower, faster, strict=True))


def _steps_in(seconds: float, worker: Connection) -> int:
    _turn(worker, 1)  # the first turn also waits for the process to start
    began = time.perf_counter()
    _turn(worker, 2)
    return max(1, round(2 * seconds / (time.perf_counter() - began)))


def _turn(worker: Connection, steps: int) -> float:
    worker.send(steps)
    try:
        taken: float = worker.recv()
    except (EOFError, ConnectionError):
        raise SystemExit("A loop failed; its error stands above.") from None
    return taken / steps


def _work(asked: Connection, maker: Maker, clock: str) -> None:
    step, wait = maker()
    step()
    now = CLOCKS[clock]
    while True:
        try:
            steps = asked.recv()
        except EOFError:
            return
        wait()
        began = now()
        for _ in range(steps):
            step()
        wait()
        asked.send(now() - began)
