"""Compare the times of ``ganctl --help`` and ``ganctl list`` with importing click and pluggy.

Run ``python benchmarks/startup.py [ROUNDS]`` on an idle machine. The processes are interleaved, so that changes in the
machine's speed affect all of them.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]

COMMANDS = {
    "import click, pluggy": ["-c", "import click, pluggy"],
    "ganctl --help": ["-m", "ganctl", "--help"],
    "ganctl list": ["-m", "ganctl", "list"],
}


def seconds(arguments: list[str], environment: dict[str, str]) -> float:
    """Return the wall-clock time of one Python process."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment, cwd=ROOT
    )
    return time.perf_counter() - start


def measure(rounds: int) -> dict[str, list[float]]:
    """Return ``rounds`` times for each of ``COMMANDS``.

    An untimed first round compiles all modules, as an installation does.
    """
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as bytecode:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for number in range(rounds + 1):
            for name, arguments in COMMANDS.items():
                duration = seconds(arguments, environment)
                if number:
                    times[name].append(duration)
    return times


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    medians = {name: statistics.median(times) for name, times in measure(rounds).items()}
    baseline = medians["import click, pluggy"]
    print(f"medians of {rounds} rounds")
    for name, median in medians.items():
        print(f"{name:22} {median:.3f} s  {median - baseline:+.3f} s")


if __name__ == "__main__":
    main()
