"""Compare ganctl's training step with a textbook loop: ``python benchmarks/compare.py``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import interleaving
import machine_info
from measured_loops import MODELS, Ganctl, Setting, data, make_textbook, synchronize


def make_loop(setting: Setting, textbook: bool) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return one step of a loop, and a function that waits for the device."""
    loop = make_textbook(setting) if textbook else Ganctl(setting)
    return loop.step, partial(synchronize, loop.device)


def compare(setting: Setting, **timing: Any) -> dict[str, Any]:
    """Time both loops in alternation, with the same networks and data."""
    makers = {name: partial(make_loop, setting, name == "textbook") for name in ("textbook", "ganctl")}
    times = interleaving.interleave(makers, **timing)
    return {
        "model": setting.model,
        "textbook": interleaving.steps_per_second(times["textbook"]),
        "ganctl": interleaving.steps_per_second(times["ganctl"]),
        "ratio": interleaving.speedup(times["textbook"], times["ganctl"]),
        "rounds": times,
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of compare.py and ablations.py."""
    parser.add_argument(
        "models", nargs="*", default=MODELS, metavar="MODEL", help="models to measure (default: all)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--image-size", type=int, help="default: image size of the model or the data")
    parser.add_argument(
        "--threads", type=int, default=0, help="number of CPU threads (default: chosen by torch)"
    )
    parser.add_argument("--rounds", type=int, default=15, help="number of rounds per loop")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a round")
    parser.add_argument(
        "--clock",
        choices=interleaving.CLOCKS,
        default="wall",
        help="use cpu on a busy machine, with --threads 1",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the times of all rounds to this file"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    args = parser.parse_args()
    timing = {"rounds": args.rounds, "seconds": args.seconds, "clock": args.clock}
    machine = machine_info.describe(args.device, args.threads)
    print(
        f"{machine_info.format_line(machine)}\n{data()['data']['name']}, batch {args.batch_size}, {args.clock} time\n"
    )
    print(
        f"{'model':16}{'textbook':>12}{'ganctl':>12}{'ratio':>8}   (steps/s, medians of {args.rounds} rounds)"
    )
    rows = []
    for model in args.models:
        setting = Setting(model, args.batch_size, args.image_size, args.device, args.threads)
        row = compare(setting, **timing)
        print(f"{model:16}{row['textbook']:12.2f}{row['ganctl']:12.2f}{row['ratio']:8.2f}", flush=True)
        rows.append(row)
    if args.json:
        result = {
            "machine": machine,
            "data": data()["data"]["name"],
            "batch_size": args.batch_size,
            **timing,
            "models": rows,
        }
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
