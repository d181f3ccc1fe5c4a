"""Mistakes on the command line: each error states the problem and a fix, and no file is written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from helpers.in_process_cli import assert_error, run
from PIL import Image

from ganctl.runs import checkpoint
from ganctl.runs.folder import Run

USAGE, DATA, CHECKPOINT, RESOURCES = 2, 3, 4, 6
GLYPHS = ("--data", "glyphs", "-o", "data.n=100", "--batch-size", 16)
TRAIN = ("train", "--model", "gan-basic", *GLYPHS, "--steps", 2)


class Bad(NamedTuple):
    """An invalid command line, its exit status, and words that its error contains.

    Before the command runs, ``make`` creates files in a temporary folder. In ``args``, ``@x`` is the path of x in it.
    """

    args: tuple[Any, ...]
    status: int
    words: tuple[str, ...]
    make: Callable[[Path, Run], object] = lambda folder, run: None


def save_images(folder: Path, sizes: tuple[int, ...] = (28,) * 8) -> None:
    folder.mkdir()
    for i, size in enumerate(sizes):
        pixels = np.random.default_rng(i).integers(0, 256, (size, size), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")


def texts(folder: Path, run: Run) -> None:
    (folder / "texts").mkdir()
    for i in range(3):
        (folder / "texts" / f"{i}.txt").write_text("not an image")


def only_corrupt(folder: Path, run: Run) -> None:
    (folder / "corrupt").mkdir()
    (folder / "corrupt" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))


def changed(**parts: Any) -> Callable[[Path, Run], None]:
    """Write a well-formed x.pt with a valid seal, in which ``parts`` are changed."""

    def make(folder: Path, run: Run) -> None:
        state = checkpoint.load(run.checkpoints[-1])
        for name, value in parts.items():
            part, dot, key = name.partition("__")
            if dot:
                state[part] = {**state[part], key: value}
            else:
                state[part] = value
        checkpoint.save(folder / "x.pt", state)

    return make


def truncated(folder: Path, run: Run) -> None:
    (folder / "x.pt").write_bytes(run.checkpoints[-1].read_bytes()[:-1000])


def finished(folder: Path, run: Run) -> None:
    shutil.copytree(run.path, folder / "run")


def file(name: str, text: str = "") -> Callable[[Path, Run], object]:
    return lambda folder, run: (folder / name).write_text(text)


MISSING = {"name": "lost", "distribution": "ganctl-lost", "version": "1.2"}

UNIFORM = {"name": "uniform", "distribution": "ganctl", "version": "1"}

BAD: dict[str, Bad] = {
    # names
    "unknown model": Bad(
        ("train", "--model", "dcgna", *GLYPHS), USAGE, ("no model 'dcgna'", "Did you mean 'dcgan'?")
    ),
    "no model": Bad(("train", *GLYPHS), USAGE, ("No model", "--model dcgan")),
    "no dataset": Bad(("train", "--model", "gan"), USAGE, ("No dataset", "glyphs")),
    "unknown dataset": Bad(
        ("train", "--model", "gan", "--data", "mnsit"), USAGE, ("'mnsit'", "Did you mean 'mnist'?")
    ),
    "unknown loss": Bad((*TRAIN, "--loss", "hing"), USAGE, ("no loss 'hing'", "Did you mean 'hinge'?")),
    "unknown optimizer": Bad((*TRAIN, "--optimizer", "adamm"), USAGE, ("'adamm'", "Did you mean 'adam")),
    "unknown latent": Bad((*TRAIN, "--latent", "cauchy"), USAGE, ("no latent 'cauchy'", "normal")),
    "unknown command": Bad(("trian",), USAGE, ("no command 'trian'", "Did you mean 'train'?")),
    "unknown flag": Bad((*TRAIN, "--batchsize", 3), USAGE, ("--batchsize", "ganctl train --help")),
    # options of components
    "unknown option": Bad(
        (*TRAIN, "-o", "generator.widht=3"), USAGE, ("no option 'widht'", "Available options: ")
    ),
    "unknown part": Bad((*TRAIN, "-o", "genrator.width=3"), USAGE, ("no part 'genrator'", "'generator'")),
    "option without a value": Bad((*TRAIN, "-o", "generator.width"), USAGE, ("PART.OPTION=VALUE",)),
    "option of the wrong type": Bad(
        (*TRAIN, "-o", "d_optimizer.betas=big"), USAGE, ("betas", "'big'", "float", "The default is")
    ),
    # values
    "batch size that is not a number": Bad(
        (*TRAIN, "--batch-size", "many"),
        USAGE,
        ("--batch-size", "'many' is not a whole number from 1 to 1,000,000"),
    ),
    "batch of 0": Bad((*TRAIN, "--batch-size", 0), USAGE, ("--batch-size", "'0' is not a whole number")),
    "batch larger than the data": Bad(
        (*TRAIN, "--batch-size", 101),
        USAGE,
        ("101 is larger than the dataset, 100 images", "--batch-size 25"),
    ),
    "negative learning rate": Bad((*TRAIN, "--lr", "-1e-4"), USAGE, ("--lr", "'-1e-4' is not a number")),
    "learning rate that is not a number": Bad(
        (*TRAIN, "--lr", "nan"), USAGE, ("--lr", "'nan' is not a number")
    ),
    "negative epochs": Bad(
        ("train", "--model", "gan", *GLYPHS, "--epochs", -1),
        USAGE,
        ("'-1' is not a whole"),
    ),
    "epochs and steps": Bad((*TRAIN, "--epochs", 3), USAGE, ("Both epochs and steps",)),
    "z of length 0": Bad((*TRAIN, "--z-dim", 0), USAGE, ("--z-dim", "'0' is not a whole number from 1")),
    "half-life of 0": Bad((*TRAIN, "--ema", 0), USAGE, ("--ema", "'0' is not a number from 0.001")),
    "huge seed": Bad(
        (*TRAIN, "--seed", 2**31),
        USAGE,
        ("--seed", "'2147483648' is not a whole number"),
    ),
    "bad device": Bad((*TRAIN, "--device", "gpu"), USAGE, ("device 'gpu'", "auto, cpu, cuda")),
    "device without numbers": Bad((*TRAIN, "--device", "meta"), USAGE, ("'meta'", "auto, cpu, cuda")),
    "bad precision": Bad((*TRAIN, "--precision", "fp8"), USAGE, ("'fp8'", "'bf16'")),
    "bad on-nan": Bad((*TRAIN, "--on-nan", "panic"), USAGE, ("'panic'", "'ignore'")),
    "image size that the network does not support": Bad(
        ("train", "--model", "dcgan-upsample", *GLYPHS, "--image-size", 30), USAGE, ("30", "32")
    ),
    # TOML
    "no TOML file": Bad(("train", "--config", "@none.toml"), USAGE, ("Cannot read", "none.toml")),
    "broken TOML": Bad(
        ("train", "--config", "@x.toml"), USAGE, ("is not TOML", "line 2"), file("x.toml", "a = 1\nb = = 2")
    ),
    "TOML file that is an image": Bad(
        ("train", "--config", "@x.toml"),
        USAGE,
        ("is not encoded as UTF-8",),
        lambda f, r: (f / "x.toml").write_bytes(b"\x89PNG\xff"),
    ),
    "unknown TOML key": Bad(
        ("train", "--config", "@x.toml"),
        USAGE,
        ("no setting 'epoch'", "'epochs'"),
        file("x.toml", 'epoch = 3\nmodel = "gan"'),
    ),
    "TOML value of the wrong type": Bad(
        ("train", "--config", "@x.toml", *GLYPHS),
        USAGE,
        ("seed", "'x'"),
        file("x.toml", 'model = "gan"\nseed = "x"'),
    ),
    "TOML component of the wrong type": Bad(
        ("train", "--config", "@x.toml"), USAGE, ("data is 3",), file("x.toml", 'model = "gan"\ndata = 3')
    ),
    # data
    "missing path": Bad(
        ("train", "--model", "gan", "--data", "./facse"),
        DATA,
        ("facse", "faces"),
        lambda f, r: (f / "faces").mkdir(),
    ),
    "empty folder": Bad(
        ("train", "--model", "gan", "--data", "@empty"),
        DATA,
        ("no images", "empty"),
        lambda f, r: (f / "empty").mkdir(),
    ),
    "folder of texts": Bad(
        ("train", "--model", "gan", "--data", "@texts"), DATA, ("no images", "3 .txt"), texts
    ),
    "only corrupt images": Bad(
        ("train", "--model", "gan", "--data", "@corrupt"), DATA, ("could be read", "a.png"), only_corrupt
    ),
    "file that is not a zip": Bad(
        ("train", "--model", "gan", "--data", "@x.txt"),
        DATA,
        ("neither a folder nor a zip",),
        file("x.txt", "x"),
    ),
    "missing data root": Bad(
        (
            "train",
            "--model",
            "gan",
            "--data",
            "mnist",
            "--data-root",
            "@nowhere",
            "-o",
            "data.download=false",
        ),
        DATA,
        ("mnist", "nowhere", "--data-root", "glyphs"),
    ),
    # run folders
    "run folder under a file": Bad(
        (*TRAIN, "--out", "@x/run"), 1, ("Cannot create a run folder", "x/run"), file("x")
    ),
    "run folder is a file": Bad((*TRAIN, "--out", "@x"), 1, ("Cannot create a run folder",), file("x")),
    "run folder that cannot be created": Bad(
        (*TRAIN, "--runs", "/proc/runs"), 1, ("/proc/runs", "--runs DIR")
    ),
    "run folder not empty": Bad((*TRAIN, "--out", "@run"), USAGE, ("not empty", "--resume"), finished),
    # resume
    "resume of nothing": Bad(("train", "--resume", "@none"), CHECKPOINT, ("none", "No such file")),
    "resume of a folder that is not a run": Bad(
        ("train", "--resume", "@"), USAGE, ("is not a run folder", "config.toml")
    ),
    "resume with another loss": Bad(
        ("train", "--resume", "@run", "--loss", "hinge"), USAGE, ("loss = bce", "hinge"), finished
    ),
    "resume with another batch": Bad(
        ("train", "--resume", "@run", "--batch-size", 8), USAGE, ("batch_size = 16", "8"), finished
    ),
    "resume with a model": Bad(
        ("train", "--resume", "@run", "--model", "dcgan"), USAGE, ("model = gan", "dcgan"), finished
    ),
    "resume and out": Bad(
        ("train", "--resume", "@run", "--out", "@x"),
        USAGE,
        ("--out cannot be combined with --resume",),
        finished,
    ),
    "resume and config": Bad(
        ("train", "--resume", "@run", "--config", "@run/config.toml"),
        USAGE,
        ("--config cannot be combined with --resume",),
        finished,
    ),
    # checkpoints
    "resume of a truncated checkpoint": Bad(
        ("train", "--resume", "@x.pt"), CHECKPOINT, ("x.pt is damaged",), truncated
    ),
    "sample from a truncated checkpoint": Bad(
        ("sample", "--ckpt", "@x.pt"), CHECKPOINT, ("x.pt is damaged",), truncated
    ),
    "sample from a checkpoint of a missing plugin": Bad(
        ("sample", "--ckpt", "@x.pt"),
        CHECKPOINT,
        ("needs the generator 'lost' of ganctl-lost 1.2", "pip install 'ganctl-lost==1.2'"),
        changed(components__generator=MISSING, config__generator={"name": "lost"}),
    ),
    "resume of a checkpoint of a missing plugin": Bad(
        ("train", "--resume", "@x.pt"),
        CHECKPOINT,
        ("needs the loss 'lost' of ganctl-lost 1.2", "pip install 'ganctl-lost==1.2'"),
        changed(components__loss=MISSING, config__loss={"name": "lost"}),
    ),
    "checkpoint of a later ganctl": Bad(
        ("sample", "--ckpt", "@x.pt"),
        CHECKPOINT,
        ("later version of ganctl", "pip install -U"),
        changed(format=99),
    ),
    "resume with other data": Bad(
        ("train", "--resume", "@x.pt"),
        DATA,
        ("not the one that this run started with",),
        changed(data="0" * 32),
    ),
    # sampling
    "no checkpoint": Bad(("sample",), USAGE, ("--ckpt",)),
    "checkpoint that does not exist": Bad(
        ("sample", "--ckpt", "@x.pt"), CHECKPOINT, ("Cannot read the checkpoint", "x.pt")
    ),
    "folder without a checkpoint": Bad(("sample", "--ckpt", "@"), CHECKPOINT, ("contains no checkpoint",)),
    "no sample": Bad(("sample", "--ckpt", "@run", "--n", 0), USAGE, ("--n", "0"), finished),
    "half a sample": Bad(("sample", "--ckpt", "@run", "--n", 2.5), USAGE, ("--n", "2.5"), finished),
    "unknown extension": Bad(
        ("sample", "--ckpt", "@run", "--out", "x.jpg"), USAGE, (".png", ".npz", "x.png"), finished
    ),
    "output in a missing folder": Bad(
        ("sample", "--ckpt", "@run", "--out", "@none/x.png"), USAGE, ("no folder", "none"), finished
    ),
    "output folder that is not empty": Bad(
        ("sample", "--ckpt", "@run", "--out", "@run"), USAGE, ("is not empty",), finished
    ),
    "output folder that is a file": Bad(
        ("sample", "--ckpt", "@run", "--out", "@run/log"),
        1,
        ("Cannot write", "log"),
        lambda f, r: (finished(f, r), (f / "run/log").touch()),
    ),
    "--nrow without a grid": Bad(
        ("sample", "--ckpt", "@run", "--nrow", 3, "--out", "x.npz"),
        USAGE,
        ("--nrow requires a grid",),
        finished,
    ),
    "--scale of arrays": Bad(
        ("traverse", "--ckpt", "@run", "--scale", 3, "--out", "x.npz"),
        USAGE,
        ("--scale requires images",),
        finished,
    ),
    "more samples than fit into memory": Bad(
        ("sample", "--ckpt", "@run", "--n", 10**9),
        RESOURCES,
        ("1,000,000,000 latents of length 100 need about 745.1 GiB", "hint: Reduce --n."),
        finished,
    ),
    "truncation of 0": Bad(
        ("sample", "--ckpt", "@run", "--truncation", 0),
        USAGE,
        ("--truncation", "'0' is not a number"),
        finished,
    ),
    "truncation of a uniform latent": Bad(
        ("sample", "--ckpt", "@x.pt", "--truncation", 1),
        USAGE,
        ("the latent 'normal'", "'uniform'"),
        changed(config__latent={"name": "uniform", "z_dim": 100}, components__latent=UNIFORM),
    ),
    "negative seed": Bad(("sample", "--ckpt", "@run", "--seed", -1), USAGE, ("--seed", "-1"), finished),
    "sampling on a missing device": Bad(
        ("sample", "--ckpt", "@run", "--device", "cuda:99"), USAGE, ("cuda:99",), finished
    ),
}
assert len(BAD) >= 20


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_with_one_error(
    name: str,
    tiny_run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = BAD[name]
    monkeypatch.chdir(tmp_path)
    bad.make(tmp_path, tiny_run)
    before = contents(tmp_path)
    args = [
        str(tmp_path / arg[1:]) if isinstance(arg, str) and arg.startswith("@") else arg for arg in bad.args
    ]
    result = run(capsys, *args)
    assert_error(result, bad.status, *bad.words)
    assert result.stdout == ""
    assert contents(tmp_path) == before


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files in ``folder`` except the lock file, which is created when a run is read."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
        if path.name != ".lock"
    }


def test_corrupt_image_is_skipped_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_images(tmp_path / "faces")
    (tmp_path / "faces" / "broken.png").write_bytes((tmp_path / "faces" / "0.png").read_bytes()[:60])
    (tmp_path / "faces" / "notes.txt").write_text("mine")
    args = ("--data", tmp_path / "faces", "--batch-size", 4, "--steps", 1, "--out", tmp_path / "run")
    result = run(capsys, "train", "--model", "gan-basic", *args)
    assert result.status == 0, result.stderr
    assert "1 of 9 images" in result.stderr
    assert "broken.png" in result.stderr
    assert "1 .txt" in result.stderr
    assert "on 8 images" in result.stderr


def test_resume_fails_while_a_plugin_is_missing_and_then_works(
    tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The checkpoint is not set aside as damaged, and the run resumes once the plugin is installed."""
    from ganctl.plugin import discovery

    copy = Run(shutil.copytree(tiny_run.path, tmp_path / "run"))
    with monkeypatch.context() as patch:
        patch.delitem(discovery.registry()._tables["loss"], "bce")
        assert_error(
            run(capsys, "train", "--resume", copy.path), 4, "needs the loss 'bce' of ganctl", "pip install"
        )
        assert run(capsys, "sample", "--ckpt", copy.path, "--out", tmp_path / "x.png").status == 0
    assert [p.name for p in copy.checkpoints] == [p.name for p in tiny_run.checkpoints]
    assert run(capsys, "train", "--resume", copy.path).status == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["empty folder", "sample from a truncated checkpoint"])
def test_bad_input_is_refused_in_a_new_process(
    name: str, tiny_run: Run, tmp_path: Path, ganctl: Callable[..., Any]
) -> None:
    bad = BAD[name]
    bad.make(tmp_path, tiny_run)
    args = [str(tmp_path / a[1:]) if str(a).startswith("@") else a for a in bad.args]
    result = ganctl(*args)
    assert result.returncode == bad.status
    assert result.stdout == ""
    assert [line.split(":")[0] for line in result.stderr.splitlines()] == ["error", "hint"]
    for word in bad.words:
        assert word in result.stderr
