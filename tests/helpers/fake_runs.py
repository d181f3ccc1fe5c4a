"""Create run folders with arbitrary curves and samples, without training and without torch."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ganctl.system import toml

CONFIG: dict[str, Any] = {
    "model": "gan",
    "batch_size": 64,
    "epochs": 4,
    "seed": 0,
    "device": "cpu",
    "samples": 16,
    "data": {"name": "glyphs"},
    "generator": {"name": "mlp", "hidden": [128, 256]},
    "loss": {"name": "bce"},
    "latent": {"name": "normal", "z_dim": 100},
    "g_optimizer": {"name": "adam", "lr": 2e-4},
    "d_optimizer": {"name": "adam", "lr": 2e-4},
}
STATUS: dict[str, Any] = {
    "state": "finished",
    "step": 100,
    "total": 100,
    "images": 1600,
    "image": [1, 16, 16],
    "parameters": {"G": 1234, "D": 567},
    "device": "cpu",
    "precision": "fp32",
    "grid": [4, 4],
    "pid": 1,
    "error": None,
}
DIVERGED: dict[str, Any] = {
    "state": "diverged",
    "error": {
        "message": "Training diverged: a loss was not finite at step 61.",
        "hint": "No checkpoint was saved. A lower --lr often helps.",
        "status": 5,
    },
}


def grid(
    seed: int, *, size: int = 16, n: int = 16, distinct: int | None = None, mode: str = "L"
) -> Image.Image:
    """Return a grid of ``n`` noise images, of which ``distinct`` are distinct."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, 4, 4, 1 if mode == "L" else 3), dtype=np.uint8)
    tiles = coarse.repeat(size // 4, 1).repeat(size // 4, 2)
    columns = math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    canvas = np.zeros((rows * (size + 2) + 2, columns * (size + 2) + 2, tiles.shape[3]), np.uint8)
    for i in range(n):
        y, x = 2 + i // columns * (size + 2), 2 + i % columns * (size + 2)
        canvas[y : y + size, x : x + size] = tiles[i % (distinct or n)]
    return Image.fromarray(canvas[..., 0] if mode == "L" else canvas)


def make(
    path: Path,
    config: dict[str, Any] | None = None,
    *,
    record: Callable[[int], dict[str, Any]] = lambda step: {},
    steps: Sequence[int] = range(5, 101, 5),
    epochs: int = 4,
    steps_per_epoch: int = 25,
    distinct: Sequence[int | None] = (),
    log: str = "2026-01-01 10:00:00  Nothing reads this.\n",
    mode: str = "L",
    metrics: Sequence[dict[str, Any]] = (),
    status: dict[str, Any] | None = None,
) -> Path:
    """Write a run folder.

    Args:
        config: differences from CONFIG.
        record: differences from the default line of ``losses.jsonl``, for each step.
        epochs: number of epochs with samples, in addition to the samples before the first step.
        distinct: number of distinct images in each sample grid.
        status: differences from STATUS.
    """
    path.mkdir(parents=True)
    (path / "samples").mkdir()
    (path / "checkpoints").mkdir()
    (path / "config.toml").write_text(toml.write({**CONFIG, **(config or {})}, {}), encoding="utf-8")
    lines = [
        {
            "step": s,
            "epoch": s / steps_per_epoch,
            "g_loss": 1.0,
            "d_loss": 0.7,
            "D(x)": 0.7,
            "D(G(z))": 0.3,
            **record(s),
        }
        for s in steps
    ]
    write_lines(path / "losses.jsonl", lines)
    write_lines(
        path / "timing.jsonl",
        [{"step": s, "seconds": s * 0.5, "images_per_second": 128.0} for s in steps],
    )
    if metrics:
        write_lines(path / "metrics.jsonl", metrics)
    (path / "status.json").write_text(json.dumps({**STATUS, **(status or {})}), encoding="utf-8")
    (path / "log.txt").write_text(log, encoding="utf-8")
    grid(99, mode=mode).save(path / "real.png")
    for epoch in range(epochs + 1):
        samples = grid(epoch, distinct=distinct[epoch] if epoch < len(distinct) else None, mode=mode)
        samples.save(path / "samples" / f"epoch-{epoch:04d}-step-{epoch * steps_per_epoch:08d}.png")
    return path


def write_lines(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
