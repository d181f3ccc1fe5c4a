"""Test complete runs, and that a resumed run equals an uninterrupted run."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.bit_identical import assert_same_run, assert_same_state
from helpers.small_runs import DATA, MODELS, SETTINGS, SMALL, before_step, poison, stop_at, train

import ganctl
from ganctl import GanctlError
from ganctl.runs import checkpoint
from ganctl.runs.folder import Run
from ganctl.system.signals import Interrupted


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("step", [1, 10, 14, 18])  # between lines, at the end of a line, at a checkpoint
def test_resumed_run_equals_uninterrupted_run(
    model: str, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(model, tmp_path / "whole")
    with monkeypatch.context() as patch:
        stop_at(patch, step)
        with pytest.raises(Interrupted) as stopped:
            train(model, tmp_path / "parts")
    assert stopped.value.status == 143
    parts = Run(tmp_path / "parts")
    assert parts.checkpoints[-1].name == f"step-{step:08d}.pt"
    torch.manual_seed(99)  # the result must not depend on previous random numbers in the process
    ganctl.train(resume_from=parts.path, quiet=True)
    assert_same_run(whole, parts)


def test_resumed_run_differs_if_the_random_state_is_not_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train("dcgan", tmp_path / "whole")
    stop_at(monkeypatch, 10)
    with pytest.raises(Interrupted):
        train("dcgan", tmp_path / "parts")
    monkeypatch.setattr("ganctl.training.checkpointing.set_rng_state", lambda state, device: None)
    parts = ganctl.train(resume_from=tmp_path / "parts", quiet=True)
    one, two = (checkpoint.load(r.checkpoints[-1])["engine"]["G"] for r in (whole, parts))
    assert not all(torch.equal(one[name], two[name]) for name in one)


def test_run_resumed_with_more_steps_equals_one_long_run(tmp_path: Path) -> None:
    at_once = train("gan", tmp_path / "once", epochs=None, steps=24)
    later = train("gan", tmp_path / "later", epochs=None, steps=12)
    ganctl.train(resume_from=later.path, steps=24, quiet=True)
    assert_same_run(at_once, later)
    assert later.config["steps"] == 24


def test_earlier_checkpoint_is_resumed_in_a_new_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    whole = train("gan", tmp_path / "whole")
    before = {p.name: p.read_bytes() for p in whole.checkpoints}
    branch = ganctl.train(resume_from=whole.checkpoints[1], quiet=True)
    assert branch.path != whole.path
    assert {p.name: p.read_bytes() for p in whole.checkpoints} == before
    assert_same_run(whole, branch)


def test_checkpoint_can_be_resumed_without_its_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    whole = train("gan", tmp_path / "whole")
    (tmp_path / "elsewhere").mkdir()
    alone = Path(shutil.copy(whole.checkpoints[1], tmp_path / "elsewhere" / "x.pt"))
    shutil.rmtree(whole.path / "samples")
    run = ganctl.train(resume_from=alone, quiet=True)
    one, two = (checkpoint.load(r.checkpoints[-1])["engine"] for r in (whole, run))
    assert_same_state(one, two)


def test_damaged_newest_checkpoint_is_set_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = train("gan", tmp_path / "whole")
    hurt = Run(shutil.copytree(whole.path, tmp_path / "hurt"))
    newest = hurt.checkpoints[-1]
    newest.write_bytes(newest.read_bytes()[:-100])
    ganctl.train(resume_from=hurt.path)
    assert "is damaged" in capsys.readouterr().err
    assert newest.with_suffix(".damaged").exists()
    assert_same_run(whole, hurt)


def test_run_without_checkpoints_restarts(tmp_path: Path) -> None:
    whole = train("gan", tmp_path / "whole")
    early = Run(shutil.copytree(whole.path, tmp_path / "early"))
    for path in early.checkpoints:
        path.unlink()
    ganctl.train(resume_from=early.path, quiet=True)
    assert_same_run(whole, early)


def test_saved_config_reproduces_the_run(tmp_path: Path) -> None:
    one = train("dcgan", tmp_path / "one")
    two = ganctl.train(config=one.config_file, out=tmp_path / "two", quiet=True)
    assert_same_run(one, two)


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train("gan", tmp_path / "run")
    before = run.checkpoints[-1].read_bytes()
    ganctl.train(resume_from=run.path)
    assert "is finished" in capsys.readouterr().err
    assert run.checkpoints[-1].read_bytes() == before


def test_different_data_is_refused_on_resume(tmp_path: Path) -> None:
    run = train("gan", tmp_path / "run", epochs=1)
    with pytest.raises(GanctlError, match="not the one that this run started with"):
        ganctl.train(resume_from=run.path, epochs=2, data={"name": "glyphs", "seed": 1}, quiet=True)


@pytest.mark.parametrize(
    "settings", [{"batch_size": 8}, {"lr": 1e-3}, {"loss": "hinge"}, {"seed": 1}, {"log_every": 3}]
)
def test_resume_refuses_settings_that_change_the_weights(tmp_path: Path, settings: dict[str, Any]) -> None:
    run = train("gan", tmp_path / "run", epochs=1)
    with pytest.raises(GanctlError, match="The run has"):
        ganctl.train(resume_from=run.path, epochs=2, quiet=True, **settings)


def test_run_folder_contains_the_expected_files(tmp_path: Path) -> None:
    run = train("gan", tmp_path / "run", keep=2, sample_every=10)
    assert [p.name for p in run.checkpoints] == ["step-00000024.pt", "step-00000025.pt"]
    assert [p.name for p in run.samples] == [
        "epoch-0000-step-00000000.png",
        "epoch-0002-step-00000010.png",
        "epoch-0004-step-00000020.png",
        "epoch-0004-step-00000025.png",
    ]
    assert [r["step"] for r in run.losses] == [7, 14, 21, 25]
    assert run.losses[-1]["epoch"] == 4.0
    assert set(run.losses[0]) == {"step", "epoch", "d_loss", "g_loss", "D(x)", "D(G(z))"}
    assert [json.loads(line)["step"] for line in run.timing_file.read_text().splitlines()] == [7, 14, 21, 25]
    for path in (run.config_file, run.curves_file, run.real_file, run.log_file):
        assert path.stat().st_size > 0
    assert list(run.tensorboard_dir.glob("events*"))
    assert "Finished: 25 steps" in run.log_file.read_text()
    assert not list(run.path.rglob("*.tmp"))


def test_log_lines_contain_means_over_their_steps(tmp_path: Path) -> None:
    fine = train("gan", tmp_path / "fine", log_every=1).losses
    coarse = train("gan", tmp_path / "coarse").losses
    for name in ("d_loss", "D(x)"):
        expected = sum(r[name] for r in fine[7:14]) / 7
        assert coarse[1][name] == pytest.approx(expected, rel=1e-6)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_logs_are_synced_before_each_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[Path, int]] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        fsync(descriptor)
        synced.append((Path(os.readlink(f"/proc/self/fd/{descriptor}")), os.fstat(descriptor).st_size))

    monkeypatch.setattr(os, "fsync", watched)
    run = train("gan", tmp_path / "run", checkpoint_every=8)
    names = [path.name for path, _ in synced]
    saves = [i for i, (path, _) in enumerate(synced) if path.parent == run.checkpoints_dir]
    assert len(saves) == len(run.checkpoints) > 1
    for before, save in zip([0, *saves], saves, strict=False):
        assert "losses.jsonl" in names[before:save]
    lines = run.losses_file.read_bytes().splitlines(keepends=True)
    whole = [sum(map(len, lines[:n])) for n in range(len(lines) + 1)]
    assert all(size in whole for path, size in synced if path.name == "losses.jsonl")


def test_sampling_does_not_change_training(tmp_path: Path) -> None:
    one = train("dcgan-upsample", tmp_path / "one", sample_every=1, samples=3)  # this D has dropout
    two = train("dcgan-upsample", tmp_path / "two")
    assert one.losses_file.read_bytes() == two.losses_file.read_bytes()


def test_random_state_of_the_caller_is_preserved(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train("gan", tmp_path / "run", epochs=1)
    assert torch.equal(torch.rand(3), expected)


def test_batch_size_larger_than_the_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GanctlError, match="larger than the dataset, 100 images"):
        train("gan", tmp_path / "run", batch_size=128)
    assert not (tmp_path / "run").exists()


def test_incompatible_components_are_refused_before_a_folder_is_created(tmp_path: Path) -> None:
    small = {"data": {**DATA, "n": 20}, "batch_size": 4, "steps": 1, "quiet": True, "out": tmp_path / "run"}
    with pytest.raises(GanctlError, match="compares the output of D with the image"):
        ganctl.train("began", augment="diffaug", image_size=32, **small)
    with pytest.raises(GanctlError, match=r"mixes the images of a batch \(BatchNorm2d\)"):
        ganctl.train("dcgan", loss="wgan-gp", **small)
    assert not (tmp_path / "run").exists()
    run = ganctl.train("dcgan", loss="wgan-gp", force=True, **SMALL["dcgan"], **small)
    assert run.losses[-1]["step"] == 1


@pytest.mark.parametrize("where", ["G", "D"])
def test_nan_stops_training_and_is_not_saved(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, where, at=16)
    with pytest.raises(GanctlError) as caught:
        train("gan", tmp_path / "run")
    assert caught.value.status == 5
    assert "step 16" in caught.value.message
    assert "step-00000012.pt" in caught.value.hint
    run = Run(tmp_path / "run")
    assert run.losses[-1]["step"] == 18  # the step at which the next checkpoint would have been saved
    for path in run.checkpoints:
        for network in ("G", "D"):
            assert all(t.isfinite().all() for t in checkpoint.load(path)["engine"][network].values())


def test_ignored_nan_does_not_stop_training_and_is_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    poison(monkeypatch, "D", at=16)
    run = ganctl.train("gan", out=tmp_path / "run", **{**SETTINGS, **SMALL["gan"]}, on_nan="ignore")
    assert capsys.readouterr().err.count("Training continues (--on-nan ignore)") == 1
    assert run.losses[-1]["step"] == 25
    assert run.losses[-1]["d_loss"] != run.losses[-1]["d_loss"]  # nan is read back as nan
    assert [p.name for p in run.checkpoints] == ["step-00000006.pt", "step-00000012.pt"]


def test_model_trains_on_real_mnist(data_root: Path, tmp_path: Path) -> None:
    run = ganctl.train(
        "dcgan", "mnist", data_root=str(data_root), out=tmp_path / "run", steps=30, log_every=10, quiet=True,
        generator={"width": 8}, discriminator={"width": 8},
    )  # fmt: skip
    assert run.losses[-1]["d_loss"] < run.losses[0]["d_loss"]
    assert ganctl.load(run.path).sample(3).shape == (3, 1, 28, 28)


def test_extra_checkpoint_after_ten_minutes_is_replaced_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = train("gan", tmp_path / "fast", keep=2)
    seen: list[list[str]] = []
    run = Run(tmp_path / "slow")
    monkeypatch.setattr("ganctl.training.loop.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    before_step(monkeypatch, 24, lambda engine: seen.append([path.name for path in run.checkpoints]))
    train("gan", tmp_path / "slow", keep=2)
    assert seen == [["step-00000012.pt", "step-00000018.pt", "step-00000023.pt"]]
    assert [path.name for path in run.checkpoints] == [path.name for path in fast.checkpoints]
    assert_same_run(fast, run)


def test_cadence_is_printed_at_the_start(tmp_path: Path) -> None:
    run = train("gan", tmp_path / "run", log_every=None, sample_every=None)
    text = "A log line every step, a sample grid every step, a checkpoint every 6 steps and every 10 minutes."
    assert text in run.log_file.read_text()
