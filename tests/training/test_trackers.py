"""Test that trackers receive numbers and images, and that a failing tracker never stops training."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.plugin_distributions import install

import ganctl
from ganctl import GanctlError, Spec
from ganctl.config.resolve import resolve
from ganctl.plugin import discovery
from ganctl.plugin.registry import Registry, component
from ganctl.training.trackers import Tracker, Trackers

Run = Callable[..., subprocess.CompletedProcess[str]]
ORIGIN = {"plugin": "p", "distribution": "d", "version": "1"}
TINY = {
    "data": {"name": "glyphs", "n": 64},
    "batch_size": 16,
    "log_every": 2,
    "sample_every": 4,
    "samples": 4,
    "quiet": True,
}

#: A distribution with two trackers: one writes everything it receives to a file, the other fails in a given method.
DIARY = """
    import json

    import ganctl

    @ganctl.hookimpl
    def register_trackers(register):
        register("diary", "acme:Diary", summary="Writes a diary")
        register("fails", "acme:Fails", summary="Fails")

    class Diary:
        def __init__(self, folder, first_step: int, config, file: str = "diary.txt"):
            self.folder, self.file = folder, (folder / file).open("a")
            print("begin", first_step, config["model"], file=self.file)

        def scalars(self, step, values):
            print("scalars", step, sorted(values), file=self.file)

        def image(self, step, name, image):
            print("image", step, name, image.size, file=self.file)

        def checkpoint(self, step, path):
            print("checkpoint", step, path.name, file=self.file)

        def close(self):
            print("close", json.loads((self.folder / "status.json").read_text())["state"], file=self.file)
            self.file.close()

    class Fails(Diary):
        def __init__(self, folder, first_step, config, at: str = "scalars"):
            super().__init__(folder, first_step, config, "fails.txt")
            self.at = at
            if at == "open":
                raise ConnectionError("no network")

        def scalars(self, step, values):
            super().scalars(step, values)
            if self.at == "scalars":
                raise ConnectionError("no network")

        def close(self):
            if self.at == "close":
                raise ConnectionError("no network")
            super().close()
"""


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(tmp_path, "acme", DIARY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path


TRAIN = (
    *("train", "--model", "gan", "--data", "glyphs", "-o", "data.n=64", "-o", "generator.hidden=8"),
    *("-o", "discriminator.hidden=8", "--batch-size", 16, "--log-every", 2, "--samples", 4),
    *("--sample-every", 4, "--checkpoint-every", 4),
)


def test_tracker_receives_numbers_images_and_the_end(acme: Path, ganctl: Run) -> None:
    out = acme / "run"
    done = ganctl(*TRAIN, "--epochs", 1, "--out", out, "--tracker", "diary", "-o", "tracker.diary.file=d.txt")
    assert done.returncode == 0, done.stderr
    scalars = "['D(G(z))', 'D(x)', 'd_loss', 'g_loss', 'images_per_second']"
    assert (out / "d.txt").read_text().splitlines() == [
        "begin 1 gan",
        "image 0 reals (62, 62)",
        "image 0 samples (62, 62)",
        f"scalars 2 {scalars}",
        f"scalars 4 {scalars}",
        "checkpoint 4 step-00000004.pt",
        "image 4 samples (62, 62)",
        "close finished",
    ]
    assert not (out / "tensorboard").exists(), "only the tracker of the command line"

    # A resumed run may use different trackers, because trackers do not affect training.
    more = ganctl("train", "--resume", out, "--epochs", 2, "--tracker", "diary", "--tracker", "tensorboard")
    assert more.returncode == 0, more.stderr
    assert (out / "diary.txt").read_text().startswith("begin 5 gan\nscalars 6 ")
    assert list((out / "tensorboard").glob("events*"))


@pytest.mark.parametrize(("at", "seen"), [("open", 1), ("scalars", 4), ("close", 7)])
def test_failing_tracker_causes_one_warning_and_does_not_affect_training(
    acme: Path, ganctl: Run, at: str, seen: int
) -> None:
    out = acme / "run"
    done = ganctl(*TRAIN, "--epochs", 1, "--out", out, "--tracker", "fails", "-o", f"tracker.fails.at={at}",
                  "--tracker", "diary")  # fmt: skip
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if "warning" in line and "too few" not in line]
    assert warnings == ["warning: the tracker 'fails' failed (no network) and is no longer used."]
    assert (out / "diary.txt").read_text().endswith("close finished\n"), "the other tracker still works"
    shown = (out / "fails.txt").read_text().splitlines()
    assert len([line for line in shown if not line.startswith("close")]) == seen
    assert list(out.glob("checkpoints/step-00000004.pt"))


def test_trackers_are_closed_when_training_diverges(acme: Path, ganctl: Run) -> None:
    wild = ("--lr", 1e9, "--optimizer", "sgd")
    done = ganctl(*TRAIN, *wild, "--epochs", 9, "--out", acme / "run", "--tracker", "diary")
    assert done.returncode == 5
    assert (acme / "run" / "diary.txt").read_text().endswith("close diverged\n")


def test_trackers_can_be_disabled(tmp_path: Path) -> None:
    run = ganctl.train("gan-basic", out=tmp_path / "run", steps=1, trackers="none", **TINY)
    assert not run.tensorboard_dir.exists()
    assert run.config["trackers"] == []


def test_unknown_tracker_or_option_is_refused_before_training(tmp_path: Path, ganctl: Run) -> None:
    for words, error in [
        (("--tracker", "tensorbord"), "There is no tracker 'tensorbord'."),
        (
            ("--tracker", "tensorboard", "-o", "tracker.tensorboard.x=1"),
            "tracker 'tensorboard' has no option 'x'.",
        ),
        (
            ("-o", "tracker.tensorboard.x=1"),
            "tracker 'tensorboard' has no option 'x'.",
        ),  # the default tracker
        (
            ("-o", "tracker.wandb.x=1"),
            "There are options for the tracker 'wandb', but the run has only tensorboard.",
        ),
        (("--tracker", "tensorboard", "--tracker", "tensorboard"), "trackers contains 'tensorboard' twice."),
    ]:
        done = ganctl("train", "--model", "gan", "--data", "glyphs", *words)
        assert (done.returncode, done.stderr.splitlines()[0]) == (2, f"error: {error}")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("value", [7, [7], [{"patches": 3}], [["swd"]]])
def test_invalid_list_of_components_is_refused(value: Any) -> None:
    with pytest.raises(GanctlError, match=r"^metrics "):
        resolve(discovery.registry(), {"model": "gan", "data": "glyphs", "metrics": value})


def test_error_in_close_is_not_reported_after_a_tracker_has_failed() -> None:
    class Bad(Tracker):
        def __init__(self) -> None:
            pass

        def scalars(self, step: int, values: Any) -> None:
            raise ValueError

        def close(self) -> None:
            raise ValueError("again")

    registry, log = Registry(), []
    registry.add(component("tracker", "bad", Bad, "Bad", **ORIGIN))
    trackers = Trackers(log.append)
    trackers.open(registry, (Spec("bad"),))
    for _ in range(3):
        trackers.scalars(1, {})
    trackers.close()
    assert log == ["warning: the tracker 'bad' failed (ValueError) and is no longer used."]
