"""Run all checks and benchmarks that need a GPU in less than nine minutes: ``python benchmarks/gpu.py``.

The script times the training step (textbook, eager and as a CUDA graph), checks that eager steps and graphs give
bit-identical results, trains a model from the command line and runs the CUDA tests. It prints one table and writes one
JSON file. ganctl does not have to be installed. The script needs only a checkout and an installation of torch. Other
missing dependencies are imported from ``.packages`` in the checkout, or installed there with pip.

``--device cpu`` runs a short version to test the script itself.
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
#: Maps modules to package names. Only small packages are listed: rich, TensorBoard and matplotlib are not needed.
REQUIRED = {name: name for name in ("click", "pluggy", "packaging", "filelock", "numpy", "pytest")} | {
    "PIL": "pillow"
}
if sys.version_info < (3, 11):
    REQUIRED["tomli"] = "tomli"
SECONDS = 9 * 60 - 20
#: Files that contain tests marked cuda.
CUDA_TESTS = (
    "tests/training/graph/test_cuda_graph.py",
    "tests/plugins/test_ganctl_augment.py",
    "tests/diagnostics/test_doctor.py",
)
#: Model and settings of each timing, in order of importance.
TIMED: list[tuple[str, dict[str, Any]]] = [
    ("dcgan-upsample", {"batch_size": 64}),
    ("gan", {"batch_size": 64}),
    ("wgan-gp", {"batch_size": 64}),
    ("dcgan", {"batch_size": 64, "image_size": 64}),
    ("dcgan", {"batch_size": 128, "image_size": 64}),
    ("sngan", {"batch_size": 64, "image_size": 32}),
    ("dcgan", {"batch_size": 128}),
    ("r3gan", {"batch_size": 64, "image_size": 32}),
]
#: Models whose graphs are compared with eager steps.
COMPARED = ("gan", "dcgan", "dcgan-upsample", "wgan-gp", "sngan", "r3gan")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu to test this script")
    parser.add_argument("--json", type=Path, default=Path("gpu.json"), metavar="FILE")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="start no measurement after this time")
    parser.add_argument(
        "--only", nargs="*", choices=list(SECTIONS), default=list(SECTIONS), help="run only these sections"
    )
    args = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ganctl-gpu-") as folder:
        make_importable(Path(folder))
        import torch

        if args.device.startswith("cuda") and not torch.cuda.is_available():
            print("torch finds no CUDA device. To test this script, add: --device cpu", file=sys.stderr)
            return 1
        import machine_info

        result: dict[str, Any] = {"machine": machine_info.describe(args.device, 0)}
        print(machine_info.format_line(result["machine"]), flush=True)
        context = Context(args.device, Path(folder), start + args.seconds)
        for name in args.only:
            started = time.monotonic()
            rows = result[name] = []
            print(f"\n{name}", flush=True)
            for row in _catch_errors(SECTIONS[name](context)):
                rows.append(row)
                print("  " + "  ".join(f"{key} {_format(value)}" for key, value in row.items()), flush=True)
            print(f"  ({time.monotonic() - started:.0f} s)", flush=True)
    result["seconds"] = round(time.monotonic() - start, 1)
    print(f"\n{summary(result)}")
    args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"\n{args.json}, after {result['seconds']:.0f} s")
    return 1 if failures(result) else 0


class Context:
    """The device, a temporary folder, and the deadline for all sections."""

    def __init__(self, device: str, folder: Path, deadline: float) -> None:
        self.device, self.folder, self.deadline = device, folder, deadline
        self.small = device == "cpu"

    def has_time(self, seconds: float) -> bool:
        """Return whether ``seconds`` remain before the deadline."""
        return time.monotonic() + seconds < self.deadline


def make_importable(folder: Path) -> None:
    """Make ganctl, its plugins and their dependencies importable in this process and in child processes."""
    paths = [str(ROOT), str(ROOT / "plugins"), str(ROOT / "benchmarks"), str(ROOT / "tests")]
    sys.path[:0] = paths
    if PACKAGES.is_dir():
        paths.append(str(PACKAGES))
        sys.path.append(str(PACKAGES))
    missing = [package for module, package in REQUIRED.items() if importlib.util.find_spec(module) is None]
    if missing:
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(PACKAGES), *missing]
        print("Installing " + ", ".join(missing), flush=True)
        if subprocess.run(install, timeout=120).returncode:
            names = " ".join(missing)
            raise SystemExit(
                f"Installation failed. On a machine with a network, run: pip install --target {PACKAGES.name} {names}\n"
                f"Then copy {PACKAGES.name} to {ROOT}."
            )
        if str(PACKAGES) not in sys.path:
            paths.append(str(PACKAGES))
            sys.path.append(str(PACKAGES))
    if not _registered():
        from ganctl.system import toml

        project = toml.read(ROOT / "pyproject.toml")["project"]
        dist_info = folder / "site" / f"ganctl-{project['version']}.dist-info"
        dist_info.mkdir(parents=True)
        dist_info.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: ganctl\nVersion: {project['version']}\n"
        )
        points = "\n".join(f"{name} = {value}" for name, value in project["entry-points"]["ganctl"].items())
        dist_info.joinpath("entry_points.txt").write_text(f"[ganctl]\n{points}\n")
        paths.append(str(dist_info.parent))
        sys.path.append(str(dist_info.parent))
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])


def _registered() -> bool:
    """Return whether ganctl's plugins are installed."""
    from importlib.metadata import entry_points

    return bool(entry_points(group="ganctl"))


def cuda_tests(context: Context) -> Iterator[dict[str, Any]]:
    """Run the tests marked cuda."""
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
        *CUDA_TESTS,
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


def exactness(context: Context) -> Iterator[dict[str, Any]]:
    """Check that graphs and eager steps give bit-identical results with deterministic kernels."""
    import torch
    from measured_loops import Setting

    for model in COMPARED[:1] if context.small else COMPARED:
        if not context.has_time(20):
            yield {"model": model, "skipped": "no time"}
            continue
        states = []
        for graph in (False, True):
            torch.manual_seed(0)
            loop = make(Setting(model, 16, device=context.device), {"deterministic": True}, graph=graph)
            torch.manual_seed(1)
            for _ in range(6 if context.small else 60):
                loop.step()
            loop.wait()
            captured = bool(loop.steps.graphs)
            states.append([tensor.clone() for tensor in _tensors(loop.engine.state_dict())])
            loop.close()
        identical = len(states[0]) == len(states[1]) and all(map(torch.equal, *states))
        yield {"model": model, "captured": captured, "bit-identical": identical}


def steps(context: Context) -> Iterator[dict[str, Any]]:
    """Measure steps per second, GPU utilization and memory use of the textbook loop, eager steps and graphs."""
    import torch
    from measured_loops import MODELS, Setting, make_textbook

    from ganctl.diagnostics.bench import busy_share

    cases = [(*case, precision) for precision in ("fp32", "bf16") for case in TIMED]
    if context.small:
        cases = [("gan-basic", {"batch_size": 16}, "fp32")]
    for model, settings, precision in cases:
        if not context.has_time(25):
            yield {"model": model, "precision": precision, "skipped": "no time"}
            continue
        setting = Setting(model, settings["batch_size"], settings.get("image_size"), context.device)
        row: dict[str, Any] = {"model": model, **settings, "precision": precision}
        if model in MODELS and precision == "fp32":
            textbook = make_textbook(setting)
            row["textbook"] = steps_per_second(textbook.step, textbook.device, 0.2 if context.small else 3)
            del textbook
        for name, graph in (("eager", False), ("graph", True)):
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            loop = make(setting, {"precision": precision}, graph=graph)
            row[name] = steps_per_second(loop.step, loop.device, 0.2 if context.small else 3)
            if loop.device.type == "cuda":
                row[f"{name} MiB"] = round(torch.cuda.max_memory_reserved() / 2**20)
                if graph:
                    row["captured"] = bool(loop.steps.graphs)
                    row["busy"] = busy_share(loop)
            loop.close()
            del loop
        yield row


def training(context: Context) -> Iterator[dict[str, Any]]:
    """Time a command-line training run from startup to the last sample grid."""
    import measured_loops

    data = measured_loops.data()
    arguments = ["--model", "dcgan", "--data", data["data"]["name"], "--epochs", "20"]
    if "data_root" in data:
        arguments += ["--data-root", data["data_root"]]
    if context.small:
        arguments = [
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
        arguments += ["-o", "generator.width=4", "-o", "discriminator.width=4"]
    run = context.folder / "run"
    start = time.monotonic()
    command = [
        *_ganctl(),
        "train",
        *arguments,
        "--device",
        context.device,
        "--out",
        str(run),
        "--quiet",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    seconds = time.monotonic() - start
    grids = sorted((run / "samples").glob("*.png")) if done.returncode == 0 else []
    copy = None
    if grids:
        copy = Path.cwd() / "gpu-samples.png"
        copy.write_bytes(grids[-1].read_bytes())
    log = (run / "log.txt").read_text(encoding="utf-8") if (run / "log.txt").exists() else done.stderr
    yield {
        "command": "ganctl train " + " ".join(arguments),
        "seconds": round(seconds, 1),
        "passed": bool(grids),
        "samples": copy and copy.name,
        "log": [line for line in log.splitlines() if "graph" in line or "kept in" in line or "rror" in line],
    }


SECTIONS: dict[str, Callable[[Context], Iterator[dict[str, Any]]]] = {
    "steps": steps,
    "exactness": exactness,
    "training": training,
    "tests": cuda_tests,
}


def _ganctl() -> list[str]:
    """Return the command that starts ganctl. Curves are not drawn if matplotlib is missing."""
    if importlib.util.find_spec("matplotlib") is not None:
        return [sys.executable, "-m", "ganctl"]
    code = (
        "import ganctl.rendering.curves, ganctl.cli; "
        "ganctl.rendering.curves.draw = lambda *_: None; ganctl.cli.main()"
    )
    return [sys.executable, "-c", code]


def make(setting: Any, changes: dict[str, Any], *, graph: bool) -> Any:
    from measured_loops import Ganctl

    return Ganctl(setting, changes, graph=graph)


def steps_per_second(step: Callable[[], Any], device: Any, seconds: float) -> float:
    """Return the median steps per second of three measurements after a warm-up."""
    from ganctl.diagnostics.bench import synchronize

    for _ in range(8):  # includes the capture of the graph
        step()
    synchronize(device)
    start = time.perf_counter()
    step()
    synchronize(device)
    count = max(1, round(seconds / 3 / (time.perf_counter() - start)))
    rates = []
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(count):
            step()
        synchronize(device)
        rates.append(count / (time.perf_counter() - start))
    return sorted(rates)[1]


def summary(result: dict[str, Any]) -> str:
    """Return a table with one row per measurement, and the failed checks."""
    head = ("model", "px", "batch", "", "textbook", "eager", "graph", "×textbook", "×eager", "busy", "memory")
    lines = [head]
    for row in result.get("steps", []):
        if "graph" not in row:
            continue
        speedup = row["graph"] / row["textbook"] if "textbook" in row else None
        memory = row["graph MiB"] / row["eager MiB"] if row.get("eager MiB") else None
        cells = [row.get("textbook"), row["eager"], row["graph"], speedup, row["graph"] / row["eager"]]
        formatted = [f"{cell:,.1f}" if cell is not None else "" for cell in cells]
        busy = f"{row['busy']:.0%}" if "busy" in row else ""
        size = str(row.get("image_size", ""))
        lines.append(
            (
                row["model"],
                size,
                str(row["batch_size"]),
                row["precision"],
                *formatted,
                busy,
                f"{memory:.2f}" if memory else "",
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    failed = failures(result)
    return "\n".join([*table, "", "All checks passed." if not failed else "FAILED:", *failed])


def failures(result: dict[str, Any]) -> list[str]:
    """Return one line per failed check."""
    failed = []
    for name, rows in result.items():
        for row in rows if isinstance(rows, list) else []:
            if (
                "error" in row
                or row.get("passed") is False
                or row.get("bit-identical") is False
                or row.get("captured") is False
            ):
                failed.append(f"{name}: {json.dumps(row, default=str)}")
    return failed


def _catch_errors(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a section. If the section raises an exception, yield the error, so that other sections run."""
    try:
        yield from rows
    except Exception as error:
        import traceback

        traceback.print_exc()
        yield {"error": f"{type(error).__name__}: {error}"}


def _tensors(tree: Any) -> Iterator[Any]:
    """Yield all tensors in nested dicts, lists and tuples."""
    import torch

    if isinstance(tree, torch.Tensor):
        yield tree
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from _tensors(value)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from _tensors(value)


def _format(value: Any) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
