"""Everything that needs a GPU, in one command and under nine minutes: ``python benchmarks/gpu.py``.

It runs the CUDA tests, times the step (the textbook's, ganctl's from Python, ganctl's as a CUDA graph), checks that
the last two compute the same bits, trains to a picture from the command line, prints one table and writes one JSON
file. ganctl need not be installed: a checkout and torch's packages are enough. Of ganctl's other dependencies, those
that are missing are looked for in ``.packages`` beside the checkout and else installed there by pip.

``--device cpu`` does the same in small, to try this script out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ROOT / ".packages"
#: What is imported → what pip calls it. All small; rich, TensorBoard and matplotlib are done without.
NEEDED = {name: name for name in ("click", "pluggy", "packaging", "filelock", "numpy", "pytest")} | {
    "PIL": "pillow"
}
if sys.version_info < (3, 11):
    NEEDED["tomli"] = "tomli"
SECONDS = 9 * 60 - 20
#: Model, settings: what is timed, most important first.
STEPS: list[tuple[str, dict[str, Any]]] = [
    ("dcgan-upsample", {"batch_size": 64}),
    ("gan", {"batch_size": 64}),
    ("wgan-gp", {"batch_size": 64}),
    ("dcgan", {"batch_size": 64, "image_size": 64}),
    ("dcgan", {"batch_size": 128, "image_size": 64}),
    ("sngan", {"batch_size": 64, "image_size": 32}),
    ("dcgan", {"batch_size": 128}),
    ("r3gan", {"batch_size": 64, "image_size": 32}),
]
EXACT = ("gan", "dcgan", "dcgan-upsample", "wgan-gp", "sngan", "r3gan")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu to try this script out")
    parser.add_argument("--json", type=Path, default=Path("gpu.json"), metavar="FILE")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="stop to begin new rows after that many"
    )
    parser.add_argument(
        "--only", nargs="*", choices=list(SECTIONS), default=list(SECTIONS), help="these parts"
    )
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ganctl-gpu-") as folder:
        made_importable(Path(folder))
        import torch

        if given.device.startswith("cuda") and not torch.cuda.is_available():
            print("This torch sees no CUDA device. To try the script out: --device cpu", file=sys.stderr)
            return 1
        import machine

        result: dict[str, Any] = {"machine": machine.describe(given.device, 0)}
        print(machine.line(result["machine"]), flush=True)
        work = Work(given.device, Path(folder), began + given.seconds)
        for name in given.only:
            started = time.monotonic()
            rows = result[name] = []
            print(f"\n{name}", flush=True)
            for row in _guarded(SECTIONS[name](work)):
                rows.append(row)
                print("  " + "  ".join(f"{key} {_shown(value)}" for key, value in row.items()), flush=True)
            print(f"  ({time.monotonic() - started:.0f} s)", flush=True)
    result["seconds"] = round(time.monotonic() - began, 1)
    print(f"\n{summary(result)}")
    given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"\n{given.json}, after {result['seconds']:.0f} s")
    return 1 if failures(result) else 0


class Work:
    """What the parts have in common."""

    def __init__(self, device: str, folder: Path, deadline: float) -> None:
        self.device, self.folder, self.deadline = device, folder, deadline
        self.small = device == "cpu"

    def has_time(self, seconds: float) -> bool:
        return time.monotonic() + seconds < self.deadline


def made_importable(folder: Path) -> None:
    """Put ganctl, its plugins and what they need on the path, of this process and of those that it starts."""
    paths = [str(ROOT), str(ROOT / "plugins"), str(ROOT / "benchmarks"), str(ROOT / "tests")]
    sys.path[:0] = paths
    if PACKAGES.is_dir():
        paths.append(str(PACKAGES))
        sys.path.append(str(PACKAGES))
    missing = [package for module, package in NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(PACKAGES), *missing]
        print("Installing " + ", ".join(missing), flush=True)
        if subprocess.run(install, timeout=120).returncode:
            words = " ".join(missing)
            raise SystemExit(
                f"Where there is a network: pip install --target {PACKAGES} {words}; then bring it along."
            )
        if str(PACKAGES) not in sys.path:
            paths.append(str(PACKAGES))
            sys.path.append(str(PACKAGES))
    if not _registered():
        from ganctl.system import toml

        project = toml.read(ROOT / "pyproject.toml")["project"]
        about = folder / "site" / f"ganctl-{project['version']}.dist-info"
        about.mkdir(parents=True)
        about.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: ganctl\nVersion: {project['version']}\n"
        )
        points = "\n".join(f"{name} = {value}" for name, value in project["entry-points"]["ganctl"].items())
        about.joinpath("entry_points.txt").write_text(f"[ganctl]\n{points}\n")
        paths.append(str(about.parent))
        sys.path.append(str(about.parent))
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])


def _registered() -> bool:
    from importlib.metadata import entry_points

    return bool(entry_points(group="ganctl"))


def cuda_tests(work: Work) -> Iterator[dict[str, Any]]:
    """The tests that are marked cuda."""
    # Without what an installed ganctl brings to pytest: here it may be a checkout only.
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-m",
        "cuda",
        "--tb=short",
        "-p",
        "no:cacheprovider",
        "tests/test_cuda.py",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    lines = done.stdout.strip().splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    if done.returncode:
        print("\n".join(lines[-60:]), done.stderr[-2000:])
    yield {
        "outcome": lines[-1] if lines else done.stderr[-300:],
        "passed": done.returncode == 0,
        "failed": failed,
    }


def exactness(work: Work) -> Iterator[dict[str, Any]]:
    """Whether a graph's steps are those of Python, bit for bit, with kernels that repeat themselves."""
    import torch
    from subjects import Setting

    for model in EXACT[:1] if work.small else EXACT:
        if not work.has_time(20):
            yield {"model": model, "left out": "no time"}
            continue
        states = []
        for graph in (False, True):
            torch.manual_seed(0)
            loop = make(Setting(model, 16, device=work.device), {"deterministic": True}, graph=graph)
            torch.manual_seed(1)
            for _ in range(6 if work.small else 60):
                loop.step()
            loop.wait()
            captured = loop.steps.graph is not None
            states.append([tensor.clone() for tensor in _tensors(loop.engine.state_dict())])
            loop.close()
        same = len(states[0]) == len(states[1]) and all(map(torch.equal, *states))
        yield {"model": model, "captured": captured, "same bits": same}


def steps(work: Work) -> Iterator[dict[str, Any]]:
    """Steps a second of the textbook's loop, of ganctl's from Python and of its graph; the device's share; memory."""
    import torch
    from subjects import MODELS, Setting, make_textbook

    from ganctl.diagnostics.bench import busy_share

    cases = [(*case, precision) for precision in ("fp32", "bf16") for case in STEPS]
    if work.small:
        cases = [("gan-basic", {"batch_size": 16}, "fp32")]
    for model, settings, precision in cases:
        if not work.has_time(25):
            yield {"model": model, "precision": precision, "left out": "no time"}
            continue
        setting = Setting(model, settings["batch_size"], settings.get("image_size"), work.device)
        row: dict[str, Any] = {"model": model, **settings, "precision": precision}
        if model in MODELS and precision == "fp32":
            textbook = make_textbook(setting)
            row["textbook"] = per_second(textbook.step, textbook.device, 0.2 if work.small else 3)
            del textbook
        for name, graph in (("eager", False), ("graph", True)):
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            loop = make(setting, {"precision": precision}, graph=graph)
            row[name] = per_second(loop.step, loop.device, 0.2 if work.small else 3)
            if loop.device.type == "cuda":
                row[f"{name} MiB"] = round(torch.cuda.max_memory_reserved() / 2**20)
                if graph:
                    row["captured"] = loop.steps.graph is not None
                    row["busy"] = busy_share(loop)
            loop.close()
            del loop
        yield row


def training(work: Work) -> Iterator[dict[str, Any]]:
    """From the command line to the last picture, start-up included."""
    import subjects

    data = subjects.data()
    words = ["--model", "dcgan", "--data", data["data"]["name"], "--epochs", "20"]
    if "data_root" in data:
        words += ["--data-root", data["data_root"]]
    if work.small:
        words = [
            "--model",
            "dcgan",
            "--data",
            "glyphs",
            "-o",
            "data.n=32",
            "--batch-size",
            "16",
            "--steps",
            "2",
        ]
        words += ["-o", "generator.width=4", "-o", "discriminator.width=4"]
    run = work.folder / "run"
    began = time.monotonic()
    command = [
        sys.executable,
        "-m",
        "ganctl",
        "train",
        *words,
        "--device",
        work.device,
        "--out",
        str(run),
        "--quiet",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    seconds = time.monotonic() - began
    pictures = sorted((run / "samples").glob("*.png")) if done.returncode == 0 else []
    kept = None
    if pictures:
        kept = Path.cwd() / "gpu-samples.png"
        kept.write_bytes(pictures[-1].read_bytes())
    log = (run / "log.txt").read_text(encoding="utf-8") if (run / "log.txt").exists() else done.stderr
    yield {
        "command": "ganctl train " + " ".join(words),
        "seconds": round(seconds, 1),
        "passed": bool(pictures),
        "picture": kept and kept.name,
        "log": [line for line in log.splitlines() if "graph" in line or "kept in" in line or "rror" in line],
    }


SECTIONS: dict[str, Callable[[Work], Iterator[dict[str, Any]]]] = {
    "steps": steps,
    "exactness": exactness,
    "training": training,
    "tests": cuda_tests,
}


def _ganctl() -> list[str]:
    """The command line, which draws no curves where there is no matplotlib."""
    if importlib.util.find_spec("matplotlib") is not None:
        return [sys.executable, "-m", "ganctl"]
    without = (
        "import ganctl.rendering.curves, ganctl.cli; "
        "ganctl.rendering.curves.draw = lambda *_: None; ganctl.cli.main()"
    )
    return [sys.executable, "-c", without]


def make(setting: Any, changes: dict[str, Any], *, graph: bool) -> Any:
    from subjects import Ganctl

    return Ganctl(setting, changes, graph=graph)


def per_second(step: Callable[[], Any], device: Any, seconds: float) -> float:
    """Steps a second, the median of three turns after a warm-up."""
    from ganctl.diagnostics.bench import synchronize

    for _ in range(8):  # a graph is captured in these
        step()
    synchronize(device)
    began = time.perf_counter()
    step()
    synchronize(device)
    count = max(1, round(seconds / 3 / (time.perf_counter() - began)))
    rates = []
    for _ in range(3):
        began = time.perf_counter()
        for _ in range(count):
            step()
        synchronize(device)
        rates.append(count / (time.perf_counter() - began))
    return sorted(rates)[1]


def summary(result: dict[str, Any]) -> str:
    """The table: a row a model, then what passed and what did not."""
    head = ("model", "px", "batch", "", "textbook", "eager", "graph", "×textbook", "×eager", "busy", "memory")
    lines = [head]
    for row in result.get("steps", []):
        if "graph" not in row:
            continue
        over = row["graph"] / row["textbook"] if "textbook" in row else None
        memory = row["graph MiB"] / row["eager MiB"] if row.get("eager MiB") else None
        cells = [row.get("textbook"), row["eager"], row["graph"], over, row["graph"] / row["eager"]]
        shown = [f"{cell:,.1f}" if cell is not None else "" for cell in cells]
        busy = f"{row['busy']:.0%}" if "busy" in row else ""
        size = str(row.get("image_size", ""))
        lines.append(
            (
                row["model"],
                size,
                str(row["batch_size"]),
                row["precision"],
                *shown,
                busy,
                f"{memory:.2f}" if memory else "",
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    wrong = failures(result)
    return "\n".join([*table, "", "All checks passed." if not wrong else "FAILED:", *wrong])


def failures(result: dict[str, Any]) -> list[str]:
    wrong = []
    for name, rows in result.items():
        for row in rows if isinstance(rows, list) else []:
            if (
                "error" in row
                or row.get("passed") is False
                or row.get("same bits") is False
                or row.get("captured") is False
            ):
                wrong.append(f"{name}: {json.dumps(row, default=str)}")
    return wrong


def _guarded(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """One part that fails must not keep the others from being done."""
    try:
        yield from rows
    except Exception as error:
        import traceback

        traceback.print_exc()
        yield {"error": f"{type(error).__name__}: {error}"}


def _tensors(tree: Any) -> Iterator[Any]:
    import torch

    if isinstance(tree, torch.Tensor):
        yield tree
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from _tensors(value)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from _tensors(value)


def _shown(value: Any) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
