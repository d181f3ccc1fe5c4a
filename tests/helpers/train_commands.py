"""The small runs that these tests hurt, as command lines."""

from __future__ import annotations

import shutil
from pathlib import Path

from ganctl.runs.folder import Run
from helpers.bit_identical import assert_same_run
from helpers.fork_server import Forks

#: As tests/test_training.py has them: 100 images in batches of 16, lines of 7 steps inside an epoch.
COMMON = (
    *("--data", "glyphs", "-o", "data.n=100", "--batch-size", 16, "--epochs", 4, "--log-every", 7),
    *("--samples", 9, "--keep", 0, "--device", "cpu"),
)
SMALL: dict[str, tuple[object, ...]] = {
    "gan": ("-o", "generator.hidden=16,32", "-o", "discriminator.hidden=32,16"),
    "dcgan": ("-o", "generator.width=4", "-o", "discriminator.width=4"),
}


def training(model: str) -> tuple[object, ...]:
    """The command line of a small run."""
    return ("train", "--model", model, *COMMON, *SMALL[model])


def assert_goes_on(hurt: Path, whole: Run, forks: Forks) -> None:
    """Going on with a copy of ``hurt`` ends bit for bit as ``whole`` did; ``hurt`` itself is left as it is."""
    copy = Run(shutil.copytree(hurt, hurt.with_name(f"{hurt.name}-gone-on")))
    log = copy.path.with_suffix(".log")
    status = forks.run("train", "--resume", copy.path, log=log, no_curves=[])
    assert status == 0, log.read_text()
    assert_same_run(whole, copy)
    assert not list(copy.path.rglob("*.tmp"))
    shutil.rmtree(copy.path)
