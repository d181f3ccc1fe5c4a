"""Test ``ganctl train``: its options, output and errors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ganctl.cli import main
from ganctl.runs import checkpoint
from ganctl.runs.folder import Run
from ganctl.system import toml

DATA = ("--data", "glyphs", "-o", "data.n=60", "--batch-size", 20, "--device", "cpu")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "ganctl.rendering.curves.draw", lambda *args: None
    )  # drawing takes longer than training


def train(*args: object) -> int:
    with pytest.raises(SystemExit) as end:
        main(["train", *map(str, args)])
    return int(end.value.code or 0)


def run_with(*args: object) -> dict[str, Any]:
    """Return the settings of a 0-step run with these arguments."""
    assert train("--out", "run", "--model", "gan", *DATA, "--steps", 0, *args) == 0
    return Run("run").config


@pytest.mark.parametrize(
    ("args", "where", "value"),
    [
        (("--lr", "1e-4"), "g_optimizer.lr", 1e-4),
        (("--lr", "1e-4"), "d_optimizer.lr", 1e-4),
        (("--lr", "1e-4", "--d-lr", "4e-4"), "g_optimizer.lr", 1e-4),
        (("--d-lr", "4e-4", "--lr", "1e-4"), "d_optimizer.lr", 4e-4),
        (("--optimizer", "rmsprop"), "d_optimizer.name", "rmsprop"),
        (("--g-optimizer", "sgd"), "g_optimizer.name", "sgd"),
        (("--g-optimizer", "sgd"), "d_optimizer.name", "adam"),
        (("--loss", "hinge"), "loss.name", "hinge"),
        (("--generator", "dcgan"), "generator.name", "dcgan"),
        (("--discriminator", "dcgan"), "discriminator.name", "dcgan"),
        (("--z-dim", "7"), "latent.z_dim", 7),
        (("--latent", "uniform"), "latent.name", "uniform"),
        (("--n-critic", "3"), "n_critic", 3),
        (("--ema", "500"), "ema", 500.0),
        (("--ema-rampup", "0.1"), "ema_rampup", 0.1),
        (("--seed", "9"), "seed", 9),
        (("--precision", "bf16"), "precision", "bf16"),
        (("--image-size", "14"), "image_size", 14),
        (("--keep", "0"), "keep", 0),
        (("--on-nan", "ignore"), "on_nan", "ignore"),
        (("--log-every", "3"), "log_every", 3),
        (("--minutes", "2.5"), "minutes", 2.5),
        (("--sample-every", "3"), "sample_every", 3),
        (("--samples", "3"), "samples", 3),
        (("--checkpoint-every", "3"), "checkpoint_every", 3),
        (("-o", "generator.hidden=16,32"), "generator.hidden", [16, 32]),
        (("-o", "optimizer.betas=0,0.9"), "g_optimizer.betas", [0.0, 0.9]),
        (("-o", "d-optimizer.betas=0,0.9"), "d_optimizer.betas", [0.0, 0.9]),
        (("--option", "data.seed=4"), "data.seed", 4),
    ],
)
def test_option_becomes_a_setting(args: tuple[object, ...], where: str, value: Any) -> None:
    found: Any = run_with(*args)
    for key in where.split("."):
        found = found[key]
    assert found == value


def test_numbered_folder_is_created_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--model", "gan", *DATA, "--steps", 1) == 0
    assert train("--model", "gan", *DATA, "--steps", 1, "--runs", "elsewhere") == 0
    assert Run("runs/00001-gan-glyphs").checkpoints
    assert Run("elsewhere/00001-gan-glyphs").checkpoints
    shown = capsys.readouterr().err
    assert "runs/00001-gan-glyphs" in shown
    assert "ganctl sample --ckpt elsewhere/00001-gan-glyphs --n 25" in shown


def test_saved_config_reproduces_the_run() -> None:
    assert train("--model", "gan", *DATA, "--steps", 3, "--seed", 5, "--out", "one") == 0
    assert train("--config", "one/config.toml", "--out", "two") == 0
    assert Run("one").losses_file.read_bytes() == Run("two").losses_file.read_bytes()


def test_command_line_takes_precedence_over_config_file() -> None:
    Path("x.toml").write_text(
        'model = "gan"\nbatch-size = 10\nseed = 3\nlr = 1e-3\ndata = "glyphs"\nepochs = 5\n[generator]\nhidden = [8]\n'
    )
    assert train("--config", "x.toml", "--seed", 4, "--steps", 0, "-o", "data.n=60", "--out", "run") == 0
    config = Run("run").config
    assert (config["seed"], config["batch_size"], config["steps"], config["epochs"]) == (4, 10, 0, "none")
    assert config["generator"]["hidden"] == [8]
    assert config["d_optimizer"]["lr"] == 1e-3


def test_data_can_be_a_path(tmp_path: Path) -> None:
    from PIL import Image

    Path("my faces").mkdir()
    for i in range(4):
        Image.new("L", (12, 12), 40 * i).save(f"my faces/{i}.png")
    assert train("--model", "gan-basic", "--data", "my faces", "--batch-size", 2, "--steps", 1) == 0
    run = Run("runs/00001-gan-basic-my-faces")
    assert run.config["data"]["path"] == "my faces"
    assert checkpoint.load(run.checkpoints[-1])["image"] == [1, 12, 12]


def test_name_option_sets_the_name_of_the_run_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--model", "gan", *DATA, "--steps", 0, "--name", "first-try") == 0
    assert Run("runs/00001-first-try").config["model"] == "gan"
    for other in (("--out", "run"), ("--resume", "runs/00001-first-try")):
        assert train("--model", "gan", *DATA, "--name", "x", *other) == 2
        assert f"--name cannot be combined with {other[0]}." in capsys.readouterr().err
    assert train("--model", "gan", *DATA, "--name", "a/b") == 2
    assert "--name 'a/b' cannot be used in a folder name." in capsys.readouterr().err
    assert [path.name for path in Path("runs").glob("0*")] == ["00001-first-try"]


def test_resume_can_extend_a_run_by_more_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--model", "gan", *DATA, "--steps", 2, "--out", "run") == 0
    assert train("--resume", "run") == 0
    assert "is finished at step 2" in capsys.readouterr().err
    assert train("--resume", "run", "--steps", 4) == 0
    assert "from step 2 to step 4" in capsys.readouterr().err
    assert [path.name for path in Run("run").checkpoints] == [f"step-0000000{step}.pt" for step in (2, 4)]
    assert Run("run").config["steps"] == 4


def test_resume_from_inside_the_checkpoint_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the checkpoint is given as a file name without a folder, the run that contains the file is resumed."""
    assert train("--model", "gan", *DATA, "--steps", 2, "--out", "run") == 0
    monkeypatch.chdir("run/checkpoints")
    assert train("--resume", "step-00000002.pt", "--steps", 3) == 0
    assert sorted(path.name for path in Path().glob("*.pt")) == ["step-00000002.pt", "step-00000003.pt"]
    assert Run("..").config["steps"] == 3


def test_resume_from_a_renamed_checkpoint_starts_a_new_run() -> None:
    assert train("--model", "gan", *DATA, "--steps", 2, "--out", "run") == 0
    newest = Run("run").checkpoints[-1]
    renamed = newest.rename(newest.with_name("best.pt"))
    assert train("--resume", renamed, "--steps", 3) == 0
    assert Run("runs/00001-gan-glyphs").checkpoints[-1].name == "step-00000003.pt"
    assert [path.name for path in Run("run").checkpoints_dir.iterdir()] == ["best.pt"]


def test_output_without_a_terminal_consists_of_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--model", "gan", *DATA, "--steps", 4, "--log-every", 2, "--verbose") == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "\r" not in err
    assert "\x1b" not in err
    for step in (2, 4):
        assert re.search(rf"^gan on glyphs {step}/4 .*D loss \d.*images/s [\d,]+", err, re.MULTILINE)
    assert toml_in(err)["model"] == "gan"


def toml_in(text: str) -> dict[str, Any]:
    """Return the settings that ``--verbose`` prints before training."""
    shown = text[text.index("model = ") : text.index("gan on 60 images")]
    Path("shown.toml").write_text(shown)
    return toml.read(Path("shown.toml"))


def test_quiet_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--model", "gan", *DATA, "--steps", 2, "--quiet") == 0
    assert capsys.readouterr() == ("", "")
    assert "Finished: 2 steps" in Run("runs/00001-gan-glyphs").log_file.read_text()


def test_traceback_of_an_error_is_written_to_the_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*args: object) -> None:
        raise ZeroDivisionError("an error in a loss")

    monkeypatch.setattr("ganctl.training.engine.Engine.step", broken)
    assert train("--model", "gan", *DATA, "--steps", 2) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert "Traceback" in Run("runs/00001-gan-glyphs").log_file.read_text()


def test_losses_file_contains_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--model", "gan", *DATA, "--steps", 4, "--log-every", 2) == 0
    lines = Run("runs/00001-gan-glyphs").losses_file.read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 4]
