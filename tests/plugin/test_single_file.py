"""Test single-file plugins, which are loaded only if the user gives the path on the command line."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import ganctl
from ganctl import GanctlError
from ganctl.plugin import discovery, single_file
from ganctl.runs import checkpoint

Run = Callable[..., subprocess.CompletedProcess[str]]

LOSS = '''
from dataclasses import dataclass
from torch.nn.functional import softplus

import ganctl


@ganctl.hookimpl
def register_losses(register):
    register("mine", Mine, summary="My own")


@dataclass
class Weights:
    fake: float = 1.0


class Mine(ganctl.Loss):
    """Mine.

    Args:
        scale: Factor of the logits.
    """

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def discriminator_loss(self, D, real, fake):
        r, f = self.scale * ganctl.logits(D, real), self.scale * ganctl.logits(D, fake)
        return softplus(-r).mean() + Weights().fake * softplus(f).mean(), {"D(x)": r.mean(), "D(G(z))": f.mean()}

    def generator_loss(self, D, real, fake):
        return softplus(-self.scale * ganctl.logits(D, fake)).mean(), {}


open("ran.txt", "a").write("x")
'''
GENERATOR = """
import torch
import ganctl


@ganctl.hookimpl
def register_generators(register):
    register("plain", Plain, summary="One layer")


class Plain(torch.nn.Module):
    def __init__(self, image: ganctl.ImageShape, latent: ganctl.Latent) -> None:
        super().__init__()
        self.image = image
        self.layer = torch.nn.Linear(latent.dim, image.channels * image.height * image.width)

    def forward(self, z, y=None):
        return self.layer(z).tanh().view(-1, *self.image)
"""
TINY = (
    *("--model", "gan-basic", "--data", "glyphs", "-o", "data.n=64", "-o", "discriminator.hidden=8"),
    *("--batch-size", 16, "--samples", 4, "--tracker", "none"),
)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "my_loss.py").write_text(LOSS)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "my net.py").write_text(GENERATOR)
    return tmp_path


def test_plugin_files_can_be_used_to_train_repeat_resume_and_sample(here: Path, ganctl: Run) -> None:
    """Each command works if the user specifies the plugin files, and is refused otherwise."""
    files = ("--plugin", "./my_loss.py", "--plugin", "nets/my net.py")
    train = ("train", *TINY, "--loss", "mine", "--generator", "plain", "--epochs", 1)
    done = ganctl(*train, *files, "-o", "loss.scale=2", "--out", "run")
    assert done.returncode == 0, done.stderr
    assert "ganctl sample --ckpt run --n 25 --plugin my_loss.py --plugin 'nets/my net.py'\n" in done.stderr

    # The settings and the checkpoint record the files.
    config = (here / "run" / "config.toml").read_text()
    (digest,) = re.findall(r'^"my_loss.py" = "([0-9a-f]{12})"$', config, re.MULTILINE)
    state = checkpoint.load(here / "run" / "checkpoints" / "step-00000004.pt")
    assert state["components"]["loss"] == {
        "name": "mine",
        "distribution": "file:my_loss.py",
        "version": digest,
    }
    assert state["components"]["generator"]["distribution"] == "file:my-net.py"
    assert list(state["config"]["plugins"]) == ["my_loss.py", "nets/my net.py"]

    # A plugin file named in a config, run folder or checkpoint is not run. The hint states which option to add.
    ran = (here / "ran.txt").read_text()
    refused = {
        ("train", "--config", "run/config.toml"): "--plugin my_loss.py",
        ("train", "--resume", "run", "--epochs", 2): "--plugin my_loss.py",
        ("sample", "--ckpt", "run"): "--plugin 'nets/my net.py'",
    }
    for words, hint in refused.items():
        result = ganctl(*words)
        assert result.returncode in (2, 4), words
        error, advice = result.stderr.splitlines()
        assert "which is loaded only if you specify it" in error
        assert hint in advice
    assert (here / "ran.txt").read_text() == ran

    again = ganctl("train", "--config", "run/config.toml", *files, "--out", "again")
    assert again.returncode == 0, again.stderr
    assert (here / "again" / "losses.jsonl").read_bytes() == (here / "run" / "losses.jsonl").read_bytes()
    # Sampling requires only the file with G, which may have been moved.
    (here / "nets" / "my net.py").rename(here / "my net.py")
    sampled = ganctl("sample", "--ckpt", "run", "--n", 4, "--plugin", "my net.py", "--out", "grid.png")
    assert sampled.returncode == 0, sampled.stderr
    assert "loss.scale=1.0" in ganctl("info", "mine", "--plugin", "my_loss.py").stdout

    # If a file has changed, a new run prints a warning and resuming is refused.
    with (here / "my_loss.py").open("a") as file:
        file.write("# changed\n")
    files = ("--plugin", "my_loss.py", "--plugin", "my net.py")
    warned = ganctl("train", "--config", "run/config.toml", *files, "--out", "third")
    assert warned.returncode == 0
    assert "warning: the plugin file my_loss.py has changed: " in warned.stderr
    changed = ganctl("train", "--resume", "run", "--epochs", 2, *files)
    assert changed.returncode == 4
    assert "but the plugin file my_loss.py has changed" in changed.stderr
    assert digest in changed.stderr
    (here / "my_loss.py").write_text(LOSS)
    resumed = ganctl("train", "--resume", "run", "--epochs", 2, *files)
    assert resumed.returncode == 0, resumed.stderr
    assert (here / "run" / "checkpoints" / "step-00000008.pt").exists()


BROKEN = {
    "missing": (None, "Cannot read the plugin file {path}: No such file or directory."),
    "syntax": ("def broken(:", "SyntaxError"),
    "raises": ("import ganctl\n\nraise ValueError('no luck')", "ValueError: no luck (line 3)"),
    "exits": ("import sys\nsys.exit(3)", "SystemExit: 3 (line 2)"),
    "no hook": ("x = 1", "does not implement a hook"),
    "misspelled": ("import ganctl\n@ganctl.hookimpl\ndef register_loses(register): pass", "register_loses"),
    "no utf-8": ("\udcff", "SyntaxError"),
    "command": (
        "import click, ganctl\n@ganctl.hookimpl\ndef register_commands(register): register(click.Command('x'))",
        "registers a command, which only an installed plugin can do",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_error_for_a_broken_file_contains_the_line_number(tmp_path: Path, fault: str) -> None:
    source, reason = BROKEN[fault]
    path = tmp_path / "broken.py"
    if source is not None:
        path.write_text(source, errors="surrogateescape")
    with pytest.raises(GanctlError) as caught:
        single_file.registry_with([path])
    assert reason.format(path=path) in caught.value.message
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_two_files_with_the_same_name_are_an_error(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(GENERATOR)
    with pytest.raises(GanctlError, match=r"Two plugin files are named mine\.py"):
        single_file.registry_with([tmp_path / "a" / "mine.py", tmp_path / "b" / "mine.py"])


def test_plugin_file_is_added_only_to_the_registry_created_with_it(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here)
    with_it = single_file.registry_with(["my_loss.py"])
    assert with_it.get("loss", "mine").origin.startswith("file:my_loss.py ")
    assert with_it.get("loss", "file:my_loss.py:mine").name == "mine"
    assert not discovery.registry().find("loss", "mine")
    assert discovery.registry().files == {}


def test_edited_file_is_reloaded_in_python(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    settings = {
        "data": {"name": "glyphs", "n": 32},
        "batch_size": 16,
        "steps": 1,
        "samples": 4,
        "trackers": "none",
    }
    path = here / "nets" / "my net.py"
    first = ganctl.train("gan-basic", generator="plain", plugins=[path], out="one", quiet=True, **settings)
    path.write_text(GENERATOR.replace("tanh", "sin"))
    second = ganctl.train("gan-basic", generator="plain", plugins=[path], out="two", quiet=True, **settings)
    assert first.config["plugins"] != second.config["plugins"]
    assert first.losses != second.losses
    with pytest.raises(GanctlError, match="loaded only if you specify it"):
        ganctl.load("two")
    assert ganctl.load("two", plugins=[path]).sample(2).shape == (2, 1, 28, 28)


def test_error_in_a_plugin_file_contains_the_file_name(here: Path, ganctl: Run) -> None:
    (here / "bad.py").write_text(LOSS.replace("r, f = self", "r, f = oops, self"))
    done = ganctl("train", *TINY, "--loss", "mine", "--plugin", "bad.py", "--epochs", 1)
    assert done.returncode == 1
    error, hint = done.stderr.splitlines()[-2:]
    assert error.startswith("error: NameError: name 'oops' is not defined")
    assert f"the plugin file {here / 'bad.py'}" in hint


HALF = """
import ganctl

@ganctl.hookimpl
def register_losses(register):
    register("half", "half:Half", summary="By address, which a file does not have")

def register_models(register):
    pass
"""


def test_hint_for_a_plugin_file_does_not_suggest_an_installation(tmp_path: Path, ganctl: Run) -> None:
    (tmp_path / "half.py").write_text(HALF)
    result = ganctl("train", *TINY, "--loss", "half", "--plugin", "half.py", "--steps", 1)
    assert result.returncode == 1
    warning, error, hint = result.stderr.splitlines()
    assert "the function register_models of the plugin 'half'" in warning
    assert "ModuleNotFoundError" in error
    assert hint == "hint: In half.py, register the class or function itself instead of an address."


def test_hint_suggests_restoring_a_changed_file_that_lacks_a_component(here: Path, ganctl: Run) -> None:
    files = ("--plugin", "nets/my net.py")
    assert (
        ganctl("train", *TINY, "--generator", "plain", *files, "--steps", 1, "--out", "run").returncode == 0
    )
    file = here / "nets" / "my net.py"
    file.write_text(file.read_text().replace('"plain"', '"other"'))
    result = ganctl("sample", "--ckpt", "run", *files)
    assert result.returncode == 4
    hint = result.stderr.splitlines()[-1]
    assert "pip" not in hint
    assert hint.startswith("hint: Restore the version of my-net.py with the digest ")


@pytest.mark.parametrize("body", ["pass", "register"])
def test_check_fails_for_a_file_that_registers_nothing(tmp_path: Path, ganctl: Run, body: str) -> None:
    (tmp_path / "idle.py").write_text(
        f"import ganctl\n@ganctl.hookimpl\ndef register_losses(register): {body}\n"
    )
    result = ganctl("plugins", "check", "./idle.py")
    assert result.returncode == 1
    assert "registers nothing in its hook register_losses." in result.stdout
    assert "call register(…) in it" in result.stdout
