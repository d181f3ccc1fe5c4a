"""docs/example-tracker: its own tests pass, and it logs a run as an installed plugin."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXAMPLE = Path(__file__).parents[2] / "docs" / "example-tracker"
Run = Callable[..., subprocess.CompletedProcess[str]]

#: Mock of wandb that logs to a file. With MOCK=unreachable, it fails as wandb does without a network.
MOCK = """
import json, os
from types import SimpleNamespace

Settings = dict
Image = lambda image: list(image.size)
util = SimpleNamespace(generate_id=lambda: "some-id")

def init(**options):
    if os.environ.get("MOCK") == "unreachable":
        raise ConnectionError("api.wandb.ai cannot be reached")
    file = open("wandb.jsonl", "a")
    def write(*entry):
        print(json.dumps(entry), file=file, flush=True)
    write("init", options["id"], options["config"]["model"])
    return SimpleNamespace(log=lambda values, step: write(step, sorted(values)), finish=lambda: write("finish"))
"""
TRAIN = (
    *(
        "train",
        "--model",
        "gan-basic",
        "--data",
        "glyphs",
        "-o",
        "data.n=32",
        "--batch-size",
        16,
        "--samples",
        1,
    ),
    *("--log-every", 1, "--tracker", "wandb", "--out", "run"),
)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the installed distribution and a mock of ``wandb``."""
    site = tmp_path / "site"
    shutil.copytree(EXAMPLE / "src", site)
    (site / "wandb.py").write_text(MOCK)
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = site / f"ganctl_wandb-{project['version']}.dist-info"
    info.mkdir()
    requires = "".join(f"Requires-Dist: {text}\n" for text in project["dependencies"])
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n{requires}"
    )
    points = "".join(f"{name} = {module}\n" for name, module in project["entry-points"]["ganctl"].items())
    (info / "entry_points.txt").write_text(f"[ganctl]\n{points}")
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
    return site


def test_its_own_tests_pass(site: Path) -> None:
    (site / "wandb.py").unlink()  # the tests have their own mock
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLE)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "4 passed" in done.stdout, done.stdout + done.stderr


def test_resumed_run_is_logged_to_the_same_wandb_run(site: Path, tmp_path: Path, ganctl: Run) -> None:
    assert "trackers: wandb" in ganctl("plugins").stdout
    done = ganctl(*TRAIN, "--epochs", 1)
    assert (done.returncode, "warning" in done.stderr) == (0, False), done.stderr
    assert ganctl("train", "--resume", "run", "--epochs", 2).returncode == 0
    scalars = ["D(G(z))", "D(x)", "d_loss", "g_loss", "images_per_second"]
    assert [json.loads(line) for line in (tmp_path / "wandb.jsonl").read_text().splitlines()] == [
        ["init", "some-id", "gan-basic"], [0, ["reals"]], [0, ["samples"]], [1, scalars], [2, scalars],
        [2, ["samples"]], ["finish"],
        ["init", "some-id", "gan-basic"], [3, scalars], [4, scalars], [4, ["samples"]], ["finish"],
    ]  # fmt: skip


def test_training_continues_without_a_network(site: Path, tmp_path: Path, ganctl: Run) -> None:
    done = ganctl(*TRAIN, "--epochs", 1, env={"MOCK": "unreachable"})
    assert done.returncode == 0
    (warning,) = [line for line in done.stderr.splitlines() if "warning" in line]
    assert warning == (
        "warning: the tracker 'wandb' failed (api.wandb.ai cannot be reached) and is no longer used."
    )
    assert (tmp_path / "run" / "checkpoints" / "step-00000002.pt").exists()
