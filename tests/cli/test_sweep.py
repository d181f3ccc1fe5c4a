"""Test ``ganctl sweep``. The workers run in the test process."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from helpers.in_process_workers import run_workers_in_process

import ganctl
from ganctl.cli import main
from ganctl.config import settings
from ganctl.runs.folder import Run
from ganctl.sweeps.claim_runs import acquire_lock
from ganctl.sweeps.folder import read

SMALL = (
    *(
        "--model",
        "gan",
        "--data",
        "glyphs",
        "-o",
        "data.n=60",
        "--batch-size",
        20,
        "--device",
        "cpu",
        "--steps",
        4,
    ),
    *("--log-every", 2, "--samples", 4, "--tracker", "none"),
    *("-o", "generator.hidden=8", "-o", "discriminator.hidden=8"),
)
GRID = ("--grid", "lr=1e-4,2e-4", "--grid", "optimizer=adam,sgd")
NAMES = [f"lr={lr},optimizer={optimizer}" for lr in ("1e-4", "2e-4") for optimizer in ("adam", "sgd")]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_workers_in_process(monkeypatch)


def sweep(*args: object) -> int:
    with pytest.raises(SystemExit) as end:
        main(["sweep", *map(str, args)])
    return int(end.value.code or 0)


def test_every_run_of_a_sweep_equals_a_run_of_train(capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep(*SMALL, *GRID, "-o", "g_optimizer.weight_decay=0.1") == 0
    lines = capsys.readouterr().err.splitlines()
    assert "4 runs, 1 at a time, in sweeps/00001-gan-glyphs" in lines
    assert lines[-1] == "All 4 runs finished. To compare them, run: ganctl report sweeps/00001-gan-glyphs"
    assert sum("  finished  epoch 1.33  G loss 0." in line for line in lines) == 4

    found = read("sweeps/00001-gan-glyphs")
    assert [entry.name for entry in found] == NAMES
    assert found.varying == {"lr": ["1e-4", "2e-4"], "optimizer": ["adam", "sgd"]}
    assert {entry.state for entry in found} == {"finished"}
    assert found.settings["steps"] == 4
    assert found.settings["grid"] == {"lr": ["1e-4", "2e-4"], "optimizer": ["adam", "sgd"]}
    assert (found.path / "sweep.toml").read_text().startswith("# ganctl")  # a comment with the command
    entry = found.entries[3]
    assert entry.values == {"lr": 2e-4, "optimizer": "sgd"}
    assert entry.texts == {"lr": "2e-4", "optimizer": "sgd"}
    assert entry.run.config["g_optimizer"]["lr"] == 2e-4
    assert entry.last["step"] == entry.steps == 4
    assert entry.last["images_per_second"] > 0

    with pytest.raises(SystemExit) as end:
        main(["train", "--config", str(entry.run.config_file), "--out", "single", "-q"])
    assert not end.value.code
    for name in ("losses.jsonl", "config.toml", "real.png"):
        assert (entry.run.path / name).read_bytes() == Path("single", name).read_bytes()


def test_dry_run_lists_the_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep(*SMALL, *GRID, "--dry-run") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[:2] == ["lr    optimizer  steps", "1e-4  adam       4"]
    assert out[-1] == "4 runs"
    assert not Path("sweeps").exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--grid", "batch-size=20,61"), ["In the run batch-size=61", "larger than the dataset, 60 images"]),
        (
            ("--grid", "loss=bce,wgan-gp", "--discriminator", "dcgan"),
            ["In the run loss=wgan-gp", "mixes the images"],
        ),
        (("--grid", "generator=mlp,dcgan", "--image-size", 30), ["In the run generator=dcgan", "30×30"]),
        (("--grid", "lr=1e-4,2e-4", "--jobs", "many"), ["--jobs", "from 1 to 1,024 or auto"]),
        (("--grid", "lr=1e-4,2e-4", "--jobs", "²"), ["--jobs", "'²' is not a whole number"]),
        (("--grid", "lr=1e-4,2e-4", "--retry-failed"), ["--retry-failed was given without --resume"]),
        (("--grid", "epochs=1,2", "--steps", 4), ["Both epochs and steps"]),
    ],
)
def test_all_runs_are_checked_before_the_folder_is_created(
    args: tuple[object, ...], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    batch = () if "batch-size" in str(args) else ("--batch-size", 20)
    assert sweep("--model", "gan", "--data", "glyphs", "-o", "data.n=60", *batch, *args) == 2
    err = capsys.readouterr().err
    for word in words:
        assert word in err
    assert not Path("sweeps").exists()


def test_failed_run_does_not_stop_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    wild = ("--grid", "lr=1e9,1e-4", "-q", "--optimizer", "sgd")
    assert sweep(*SMALL, *wild) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: 1 of 2 runs failed: lr=1e9: Training diverged: ")
    assert "hint: Try them again: ganctl sweep --resume sweeps/00001-gan-glyphs --retry-failed" in err
    found = read("sweeps/00001-gan-glyphs")
    assert [entry.state for entry in found] == ["diverged", "finished"]
    assert "diverged" in found.entries[0].reason
    assert found.entries[0].end
    assert found.entries[0].end["status"] == 5

    before = found.entries[0].run.log_file.read_text()
    assert sweep("--resume", found.path, "-q") == 1  # not tried again
    assert found.entries[0].run.log_file.read_text() == before
    assert sweep("--resume", found.path, "-q", "--retry-failed") == 1  # fails again
    assert found.entries[0].run.log_file.read_text() != before


def test_unexpected_error_does_not_stop_the_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ganctl.training import loop

    original, count = loop.train, 0

    def broken(*args: object, **options: object) -> Run:
        nonlocal count
        count += 1
        if count == 1:
            raise MemoryError("42 GiB")
        return original(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "train", broken)
    assert sweep(*SMALL, *GRID) == 1
    assert "failed: Out of memory: 42 GiB" in capsys.readouterr().err
    found = read("sweeps/00001-gan-glyphs")
    assert [entry.state for entry in found] == ["failed", "finished", "finished", "finished"]
    assert sweep("--resume", found.path, "--retry-failed") == 0
    assert {entry.state for entry in found} == {"finished"}


def test_same_command_with_out_resumes(capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep(*SMALL, *GRID, "--out", "mine") == 0
    capsys.readouterr()
    log = Path("mine", NAMES[0], "log.txt").read_text()
    assert sweep(*SMALL, *GRID, "--out", "mine", "--jobs", 2) == 0
    assert "4 runs (4 already ended), 2 at a time, in mine" in capsys.readouterr().err
    assert Path("mine", NAMES[0], "log.txt").read_text() == log
    assert not Path("sweeps").exists()
    assert sorted(path.name for path in Path().iterdir()) == ["mine"]

    assert sweep(*SMALL, "--grid", "lr=1e-4", "--out", "mine") == 2
    assert "mine contains a different sweep" in capsys.readouterr().err
    assert sweep(*SMALL, *GRID, "--n-critic", 2, "--out", "mine") == 2
    assert f"its run {NAMES[0]} has a different n_critic" in capsys.readouterr().err
    Path("full").mkdir()
    Path("full", "x").touch()
    assert sweep(*SMALL, *GRID, "--out", "full") == 2
    assert "full already exists and is not empty" in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == ["full", "mine"]


def test_resume_refuses_different_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep("--resume", "nowhere") == 2
    assert "nowhere does not exist" in capsys.readouterr().err
    assert sweep("--resume", ".") == 2
    assert "is not a sweep folder" in capsys.readouterr().err
    assert sweep(*SMALL, *GRID) == 0
    capsys.readouterr()
    for args in (("--lr", "1e-3"), ("--grid", "lr=1"), ("-o", "loss.b=1"), ("--out", "x"), ("--config", "y")):
        assert sweep("--resume", "sweeps/00001-gan-glyphs", *args) == 2
        assert f"{args[0]} cannot be combined with --resume" in capsys.readouterr().err
    assert sweep("--resume", "sweeps/00001-gan-glyphs", "--dry-run") == 0
    assert re.search(r"1e-4  adam +4 +finished", capsys.readouterr().out)
    assert sweep("--resume", "sweeps/00001-gan-glyphs", "--device", "cpu", "--data-root", "x") == 0


LOSS = """
import ganctl
from ganctl_losses.lsgan import LSGAN

@ganctl.hookimpl
def register_losses(register):
    register("mine", LSGAN, summary="Mine.")
"""


def test_plugin_files_are_loaded_in_every_worker(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.py").write_text(LOSS)
    assert sweep(*SMALL, "--plugin", "mine.py", "--grid", "loss=mine,lsgan") == 0
    found = read("sweeps/00001-gan-glyphs")
    assert found.entries[0].run.config["loss"]["name"] == "mine"
    capsys.readouterr()
    assert sweep("--resume", found.path) == 2
    assert "loaded only if you specify it" in capsys.readouterr().err
    assert sweep("--resume", found.path, "--plugin", "mine.py") == 0


def test_unusable_folder_stops_the_sweep(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise ganctl.GanctlError("No locks here.", "Go elsewhere.", status=6)

    monkeypatch.setattr("ganctl.sweeps.worker.claim_next", refuse)
    assert sweep(*SMALL, *GRID) == 6
    assert capsys.readouterr().err.endswith("error: No locks here.\nhint: Go elsewhere.\n")


def test_repeated_failures_to_start_stop_the_sweep(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **options: object) -> int:
        print("ImportError: no libfoo", file=sys.stderr)
        return 1

    monkeypatch.setattr("ganctl.sweeps.worker.main", broken)
    assert sweep(*SMALL, *GRID) == 1
    err = capsys.readouterr().err
    assert "error: A worker process ended with status 1: ImportError: no libfoo." in err
    assert (
        "hint: To see the cause, train a single run: ganctl train --resume sweeps/00001-gan-glyphs/lr=1e-4"
        in err
    )


def test_examples_in_sweeps_md_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(settings.DEFAULTS, "trackers", ())  # importing TensorBoard takes seconds
    page = (Path(ganctl.__file__).parents[1] / "docs" / "sweeps.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    exec(compile(code, "docs/sweeps.md", "exec"), {})
    assert capsys.readouterr().out.startswith("{'lr': 0.0001} finished 0.")
    described = set(re.findall(r"^\| `([\w.]+)/?`", page, re.MULTILINE))
    assert described == {"sweep.toml", "runs.json", "queue"}
    assert described <= {path.name for path in Path("sweeps/00001-gan-glyphs").iterdir()}


def test_sweep_skips_a_run_that_another_process_is_training(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ganctl.sweeps import runner, worker

    with monkeypatch.context() as patch:
        patch.setattr(runner.Supervisor, "run", lambda self: None)
        assert sweep(*SMALL, *GRID) == 0  # creates only the folder
    found = read("sweeps/00001-gan-glyphs")
    assert {entry.state for entry in found} == {"waiting"}
    lock = found.entries[0].run.lock()
    lock.__enter__()
    waits = 0

    def wait(stop: object) -> None:
        nonlocal waits
        waits += 1
        states = [entry.state for entry in found]
        assert states == ["waiting", "finished", "finished", "finished"]
        assert acquire_lock(
            found.entries[0]
        )  # the worker claims the entry and releases it, because the run is in use
        if waits == 2:
            lock.__exit__(None, None, None)

    monkeypatch.setattr(worker, "_wait", wait)
    assert sweep("--resume", found.path) == 0
    assert waits == 2
    assert {entry.state for entry in found} == {"finished"}


def test_sweep_from_python_runs_every_combination(capsys: pytest.CaptureFixture[str]) -> None:
    small = {"batch_size": 20, "steps": 2, "samples": 4, "trackers": "none", "quiet": True, "device": "cpu"}
    found = ganctl.sweep(
        "gan", {"name": "glyphs", "n": 60}, grid={"lr": [1e-4, 2e-4]}, zip={"generator.hidden": [[8], [4, 8]]}, **small
    )  # fmt: skip
    assert [entry.values for entry in found] == [
        {"lr": lr, "generator.hidden": hidden} for lr in (1e-4, 2e-4) for hidden in ([8], [4, 8])
    ]
    assert len(found) == len(found.runs) == 4
    assert found.runs[3].config["generator"]["hidden"] == [4, 8]
    assert json.loads((found.path / "runs.json").read_text())["threads"] >= 1
    again = ganctl.sweep(resume_from=found.path, quiet=True)
    assert again.name == found.name == "00001-gan-glyphs"
    with pytest.raises(ganctl.GanctlError, match="lr was given"):
        ganctl.sweep(resume_from=found.path, lr=1)
    with pytest.raises(ganctl.GanctlError, match="Nothing varies"):
        ganctl.sweep("gan", "glyphs")
