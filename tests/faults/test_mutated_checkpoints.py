"""Randomly changed checkpoints with a valid seal never cause a crash or a traceback, or change the run folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ganctl
from ganctl.runs.folder import Run

FEW, ALL = 150, 2000
BATCH = 250  # mutations per process


@pytest.fixture
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose checkpoint has all parts, including buffers, G_ema, augmentation state and a row of the recorder."""
    out = tmp_path_factory.getbasetemp() / "run-to-mutate"
    if not out.exists():
        ganctl.train(
            "gan", {"name": "glyphs", "n": 32}, out=out, quiet=True, device="cpu", image_size=8, batch_size=8, steps=4,
            n_critic=2, log_every=3, samples=4, keep=1, checkpoint_every=4, ema=100.0, augment="ada", trackers=[],
            generator={"hidden": "4,6", "batch_norm": True}, discriminator={"hidden": "6,4"},
            schedules={"g_optimizer.lr": "linear 0"},
        )  # fmt: skip
    return Run(out)


def assert_harmless(run: Run, first: int, last: int) -> None:
    """Try mutations ``first`` to ``last`` − 1 in another process, because a crash would end this process."""
    done = subprocess.run(
        [sys.executable, "-m", "helpers.mutated_checkpoints", str(run.path), str(first), str(last)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"ended by {done.returncode} in {results[-1:]}:\n{done.stderr}"
    tried = [result for result in results if "statuses" in result]
    assert len(tried) == last - first
    assert [result for result in tried if result["problems"]] == []
    # Each command that reads checkpoints succeeded with some mutations and failed with others.
    for command in ("sample", "explore", "resume"):
        assert {0, 4} <= {result["statuses"][command] for result in tried}


def test_mutated_checkpoint_is_refused_or_works(run: Run) -> None:
    assert_harmless(run, 0, FEW)


@pytest.mark.matrix
@pytest.mark.parametrize("first", range(0, ALL, BATCH))
def test_all_mutated_checkpoints_are_refused_or_work(first: int, run: Run) -> None:
    assert_harmless(run, first, first + BATCH)
