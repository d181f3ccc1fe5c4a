"""ganctl's step beside the textbook's: ``python benchmarks/compare.py`` prints a table of steps a second."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import machine
import rounds
from subjects import MODELS, Ganctl, Setting, data, make_textbook, synchronize


def make_loop(setting: Setting, textbook: bool) -> tuple[Callable[[], None], Callable[[], None]]:
    loop = make_textbook(setting) if textbook else Ganctl(setting)
    return loop.step, partial(synchronize, loop.device)


def compare(setting: Setting, **how: Any) -> dict[str, Any]:
    """One row: both loops on the same networks and data, in turn."""
    makers = {name: partial(make_loop, setting, name == "textbook") for name in ("textbook", "ganctl")}
    times = rounds.interleaved(makers, **how)
    return {
        "model": setting.model,
        "textbook": rounds.per_second(times["textbook"]),
        "ganctl": rounds.per_second(times["ganctl"]),
        "ratio": rounds.ratio(times["textbook"], times["ganctl"]),
        "rounds": times,
    }


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options that compare.py and techniques.py share."""
    parser.add_argument("models", nargs="*", default=MODELS, metavar="MODEL", help="default: all")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--image-size", type=int, help="default: the model's own, or the data's")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU; default: as torch chooses")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each loop")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a turn")
    parser.add_argument(
        "--clock", choices=rounds.CLOCKS, default="wall", help="cpu: for a busy machine, with --threads 1"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round there")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    arguments(parser)
    given = parser.parse_args()
    how = {"rounds": given.rounds, "seconds": given.seconds, "clock": given.clock}
    about = machine.describe(given.device, given.threads)
    print(f"{machine.line(about)}\n{data()['data']['name']}, batch {given.batch_size}, {given.clock} time\n")
    print(
        f"{'model':16}{'textbook':>12}{'ganctl':>12}{'ratio':>8}   (steps/s, medians of {given.rounds} rounds)"
    )
    rows = []
    for model in given.models:
        setting = Setting(model, given.batch_size, given.image_size, given.device, given.threads)
        row = compare(setting, **how)
        print(f"{model:16}{row['textbook']:12.2f}{row['ganctl']:12.2f}{row['ratio']:8.2f}", flush=True)
        rows.append(row)
    if given.json:
        result = {
            "machine": about,
            "data": data()["data"]["name"],
            "batch_size": given.batch_size,
            **how,
            "models": rows,
        }
        given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
