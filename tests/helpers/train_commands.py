"""Command lines of small training runs that tests interrupt, and a check that resumed runs are exact."""

from __future__ import annotations

import shutil
from pathlib import Path

from ganctl.runs.folder import Run
from helpers.bit_identical import assert_same_run
from helpers.fork_server import ForkServer

#: With 100 images and batches of 16, epochs end within a step. Log lines average 7 steps and span epochs.
COMMON = (
    *("--data", "glyphs", "-o", "data.n=100", "--batch-size", 16, "--epochs", 4, "--log-every", 7),
    *("--sample-every", 6, "--checkpoint-every", 6),
    *("--samples", 9, "--keep", 0, "--device", "cpu"),
)
SMALL: dict[str, tuple[object, ...]] = {
    "gan": ("-o", "generator.hidden=16,32", "-o", "discriminator.hidden=32,16"),
    "dcgan": ("-o", "generator.width=4", "-o", "discriminator.width=4"),
}


def train_args(model: str) -> tuple[object, ...]:
    """Return ``ganctl`` arguments that train a small ``model`` for 25 steps."""
    return ("train", "--model", model, *COMMON, *SMALL[model])


def assert_resume_matches(interrupted: Path, uninterrupted: Run, fork_server: ForkServer) -> None:
    """Resume a copy of the run folder ``interrupted``, and compare the result with ``uninterrupted`` bit for bit."""
    copy = Run(shutil.copytree(interrupted, interrupted.with_name(f"{interrupted.name}-resumed")))
    log = copy.path.with_suffix(".log")
    status = fork_server.run("train", "--resume", copy.path, log=log, no_curves=[])
    assert status == 0, log.read_text()
    assert_same_run(uninterrupted, copy)
    assert not list(copy.path.rglob("*.tmp"))
    shutil.rmtree(copy.path)
