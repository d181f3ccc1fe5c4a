"""Change a checkpoint randomly, add a valid seal, and run the commands that read checkpoints.

When run as a program, this file tries a range of mutations and prints one JSON line per mutation::

    python -m helpers.mutated_checkpoints RUN FIRST LAST

``RUN`` is a run folder with one checkpoint. Each mutation depends only on its number.
"""

from __future__ import annotations

import contextlib
import copy
import faulthandler
import io
import json
import math
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ganctl.cli import main
from ganctl.errors import CHECKPOINT, DATA, DIVERGED, USAGE
from ganctl.explore.explorer import Explorer
from ganctl.explore.server import Server
from ganctl.runs import checkpoint
from ganctl.runs.folder import Run

SLOWEST = 20.0  # CPU seconds per command
MEMORY = 6 * 2**30  # bytes of address space, in addition to the memory mapped when torch is imported

#: Values whose types and ranges are invalid in every part of a checkpoint.
ODD: list[Any] = [
    None, True, False, "", "x", "../../x", "\x1b[2J\n", "x" * 10_000, -1, 0, 1, 2, 7, 1.5, -0.0, math.nan, math.inf,
    -math.inf, 10**30, 2**63, -(2**63), 2**31, 1e300, [], {}, (), [[]], {"name": "x"}, {1: 2}, ["a", "b"], [1, 2],
    torch.zeros(()), torch.zeros(0), torch.zeros(3), torch.zeros(2, 3, 4), torch.ones(1, dtype=torch.int64),
    torch.zeros(5056, dtype=torch.uint8), torch.zeros(3).to_sparse(), torch.zeros(2, dtype=torch.complex64),
    torch.zeros(1).expand(10**9), torch.zeros(3, requires_grad=True), torch.zeros(2, dtype=torch.float64),
]  # fmt: skip


def mutate(good: bytes, number: int) -> tuple[str, bytes]:
    """Apply mutation ``number`` to the checkpoint ``good``. Return a description and the new checkpoint, resealed."""
    rng = random.Random(number)
    archive = checkpoint.unseal(good, Path())
    if rng.random() < 0.15:
        what, changed = _change_bytes(archive, rng)
        return what, checkpoint.seal(changed)
    state = torch.load(io.BytesIO(archive), weights_only=True)
    words = [_change_state(state, rng) for _ in range(rng.choice([1, 1, 1, 1, 2, 3]))]
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return "; ".join(words), checkpoint.seal(buffer.getvalue())


def _change_bytes(archive: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Change bytes of the archive, or bytes of the pickle in the archive and then update its checksum."""
    if rng.random() < 0.4:
        data = bytearray(archive)
        spot = rng.randrange(len(data) - 22)
        data[spot] = rng.randrange(256)
        return f"byte {spot} of the archive", bytes(data)
    source = zipfile.ZipFile(io.BytesIO(archive))
    buffer = io.BytesIO()
    spots: list[int] = []
    with zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            content = bytearray(source.read(name))
            if name.endswith("data.pkl"):
                for _ in range(rng.choice([1, 1, 2, 8])):
                    spots.append(rng.randrange(len(content)))
                    content[spots[-1]] = rng.randrange(256)
            target.writestr(name, bytes(content))
    return f"bytes {spots} of data.pkl", buffer.getvalue()


def _change_state(state: dict[str, Any], rng: random.Random) -> str:
    path: list[Any] = []
    parents: list[Any] = []
    value: Any = state
    while isinstance(value, (dict, list, tuple)) and value and (not path or rng.random() < 0.93):
        parents.append(value)
        path.append(rng.choice(list(value) if isinstance(value, dict) else range(len(value))))
        value = value[path[-1]]
    where = "/".join(map(str, path))
    parent, key = parents[-1], path[-1]
    action = rng.choice(["replace", "replace", "delete", "rename", "add", "near", "near", "near", "near"])
    if isinstance(parent, tuple):
        parents[-2][path[-2]] = (*parent[:-1], rng.choice(ODD))
        return f"{where}: other last item"
    if action == "delete":
        del parent[key]
    elif action == "rename" and isinstance(parent, dict):
        parent[rng.choice(["x", 99, "step", "G"])] = parent.pop(key)
    elif action == "add" and isinstance(parent, dict):
        parent[rng.choice(["x", 99, "lr", "step", "exp_avg"])] = rng.choice(ODD)
    elif action == "near":
        parent[key] = _near(value, rng)
        return f"{where}: {_short(value)} → {_short(parent[key])}"
    else:
        parent[key] = rng.choice(ODD)
        return f"{where}: replaced by {_short(parent[key])}"
    return f"{where}: {action}"


def _near(value: Any, rng: random.Random) -> Any:
    """Return a value that resembles ``value``."""
    if isinstance(value, torch.Tensor):
        change = rng.choice(TENSOR_CHANGES)
        is_changed_already = value.layout is not torch.strided or value.numel() > 10**6 or value.requires_grad
        return [value] if is_changed_already else change(value.clone())
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice([value + 1, value - 1, -value, value * 1000, 10**12, float(value)])
    if isinstance(value, float):
        return rng.choice([value * 2, -value, math.nan, math.inf, 1e30, 0.0, int(value)])
    if isinstance(value, str):
        return rng.choice([value + "x", value[:-1], value.upper(), "", value + "\n"])
    if isinstance(value, (dict, list)):
        return rng.choice([copy.deepcopy([value]), type(value)(), list(value), str(value), None])
    return rng.choice(ODD)


def _set(tensor: torch.Tensor, number: float) -> torch.Tensor:
    tensor.view(-1)[:1] = number
    return tensor


#: Functions that return a tensor with a different shape, dtype, layout or value.
TENSOR_CHANGES: list[Any] = [
    lambda t: t[:0],
    lambda t: t.flatten()[:1],
    lambda t: t.flatten(),
    lambda t: t.unsqueeze(0),
    lambda t: t.T if t.ndim == 2 else t.sum(),
    lambda t: t.T.contiguous().T if t.ndim == 2 else t,  # only the layout differs
    lambda t: torch.cat([t.flatten(), t.flatten()]),
    lambda t: torch.zeros((), dtype=t.dtype).expand(t.shape),
    lambda t: torch.zeros(1, dtype=t.dtype).expand(10**6, 10**6),
    lambda t: t.double() if t.dtype == torch.float32 else t.float(),
    lambda t: t.half(),
    lambda t: t.long(),
    lambda t: _set(t.float(), math.nan),
    lambda t: _set(t.float(), -math.inf),
    lambda t: _set(t, 5),  # a different finite value
    lambda t: -t if t.is_floating_point() else t,
    lambda t: t.to_sparse(),
    lambda t: t.bool(),
    lambda t: list(t.flatten()[:2]),
]


def _short(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        layout = value.stride() if value.layout is torch.strided else value.layout
        return f"{value.dtype} {tuple(value.shape)} {layout}"
    return ascii(value)[:60]


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return the contents of all files in ``folder``."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def try_mutation(run: Path, good: bytes, number: int) -> dict[str, Any]:
    """Run the commands on mutation ``number`` in a copy of ``run``, and return the exit statuses and all problems."""
    what, bad = mutate(good, number)
    statuses: dict[str, int] = {}
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as temporary, contextlib.chdir(temporary):
        folder = Path(shutil.copytree(run, "run"))
        file = Run(folder).checkpoints[-1]
        file.write_bytes(bad)
        before = contents(folder)
        for name, args in (
            ("sample", ["sample", "--ckpt", file, "--n", "4", "--out", "x.png"]),
            ("explore", ["explore", "--ckpt", folder, "--port", "0", "--no-browser", "--quiet"]),
            ("info", ["info", file]),
            ("resume", ["train", "--resume", folder, "--steps", "5", "--quiet"]),
        ):
            started, errors = time.process_time(), io.StringIO()
            try:
                with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
                    main([str(arg) for arg in args])
            except SystemExit as end:
                statuses[name] = int(end.code or 0)
            except BaseException as error:
                problems.append(f"{name}: {type(error).__name__}: {error}")
                statuses[name] = -1
            text = errors.getvalue()
            if "Traceback" in text or "bug in" in text:
                problems.append(f"{name}: {text}")
            if statuses[name] not in allowed_statuses(name, what):
                problems.append(f"{name}: status {statuses[name]}: {text}")
            if time.process_time() - started > SLOWEST:
                problems.append(f"{name}: took {time.process_time() - started:.0f} s")
            if statuses[name] not in (0, DIVERGED) and contents(folder) != before:
                problems.append(f"{name}: the run folder changed: {text}")
    return {"number": number, "what": what, "statuses": statuses, "problems": problems}


def allowed_statuses(command: str, what: str) -> set[int]:
    """Return the exit statuses that are allowed for ``command`` after the mutation ``what``."""
    if command == "info":
        return {USAGE}  # the command describes components, not files
    allowed = {0, CHECKPOINT}
    if command == "resume" and "data" in what:
        allowed.add(DATA)  # the pixels differ from those on which the run was trained
    if command == "resume" and what.startswith("byte "):
        allowed.add(DIVERGED)  # a weight may become as large as 1e38, which is a valid number
    return allowed


def _one_request(self: Server, explorer: Explorer) -> None:
    """Handle the first request that the page sends."""
    json.dumps(explorer.model())
    explorer.png(explorer.latents(4, 0, None), "")


@contextlib.contextmanager
def _no_waiting() -> Iterator[None]:
    Server.serve = _one_request  # type: ignore[method-assign]
    import ganctl.rendering.curves

    ganctl.rendering.curves.draw = lambda *args: None  # type: ignore[assignment]  # takes longer than all the rest
    yield


if __name__ == "__main__":
    faulthandler.enable()
    torch.set_num_threads(1)
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, mapped + MEMORY))
    run, first, last = Path(sys.argv[1]).resolve(), int(sys.argv[2]), int(sys.argv[3])
    good = Run(run).checkpoints[-1].read_bytes()
    with _no_waiting():
        for number in range(first, last):
            print(json.dumps({"started": number}), flush=True)
            print(json.dumps(try_mutation(run, good, number)), flush=True)
    os._exit(0)
