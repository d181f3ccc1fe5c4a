"""Broken plugins: each causes one warning or a two-line error, and ganctl's built-in models still train."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from helpers.plugin_distributions import install

import ganctl as package
from ganctl.runs.checkpoint import save

Run = Callable[..., subprocess.CompletedProcess[str]]
TINY = (
    "--data",
    "glyphs",
    "-o",
    "data.n=32",
    "--batch-size",
    8,
    "--steps",
    1,
    "--samples",
    1,
    "--tracker",
    "none",
)
DCGAN = ("train", "--model", "dcgan", "-o", "discriminator.width=4", *TINY)

PLUGIN = """
import ganctl

@ganctl.hookimpl
def {hook}(register):
    register("mine", "acme_parts:Mine", summary="Mine")
"""
LOSS = PLUGIN.format(hook="register_losses")
GENERATOR = PLUGIN.format(hook="register_generators")


class Fault(NamedTuple):
    """A broken plugin and the expected messages.

    Attributes:
        source: source of the plugin's module.
        parts: source of a module that the plugin imports when it is used.
        use: options that use the plugin.
        says: lines that ``ganctl train`` prints with these options.
        always: line that every command prints.
        works: whether training with the plugin succeeds.
    """

    source: str
    parts: str = ""
    use: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    always: str = ""
    requires: str = ""
    works: bool = False


WARNING = "warning: plugin 'acme' of acme 1.0 cannot be loaded: {}. See: ganctl plugins"
FAULTS = {
    "raises at import": Fault(
        "raise ValueError('no such luck')", always=WARNING.format("ValueError: no such luck")
    ),
    "raises in the hook": Fault(
        "import ganctl\n@ganctl.hookimpl\ndef register_losses(register): 1 / 0",
        always=WARNING.format("ZeroDivisionError: division by zero"),
    ),
    "misspelt hook": Fault(PLUGIN.format(hook="register_loses"), always="register_loses"),
    "needs a newer ganctl": Fault(
        LOSS,
        requires="ganctl>=99",
        always=WARNING.format(
            f"it requires ganctl >=99, but ganctl {package.__version__} is installed: pip install -U ganctl acme"
        ),
    ),
    "name taken twice": Fault(
        LOSS.replace('"mine"', '"bce"'),
        use=("--loss", "bce"),
        says=(
            f"error: Several plugins register the loss 'bce': acme 1.0 (plugin 'acme'), ganctl {package.__version__} "
            "(plugin 'losses').",
            "hint: Choose one: acme:bce or ganctl:bce",
        ),
    ),
    "factory of the wrong type": Fault(
        LOSS,
        "class Mine: pass",
        use=("--loss", "mine"),
        says=(
            "error: The loss 'mine' of acme 1.0 is a Mine, not a ganctl.Loss.",
            "hint: Its factory must return a ganctl.Loss. Report this to its authors.",
        ),
    ),
    "loss returns the wrong type": Fault(
        LOSS,
        "import ganctl\nclass Mine(ganctl.Loss):\n"
        "    def discriminator_loss(self, D, real, fake): return D(real.x, None)",
        use=("--loss", "mine"),
        says=(
            "error: The loss Mine returned a tensor of shape (8,), not a scalar to minimize and a dict of reported "
            "values.",
            "hint: Return both, for example: return loss.mean(), {}",
        ),
    ),
    "loss calls ganctl with wrong arguments": Fault(
        LOSS,
        "import ganctl\nfrom ganctl import penalties\nclass Mine(ganctl.Loss):\n"
        "    def discriminator_loss(self, D, real, fake): return penalties.zero_centered(D, real.x.sum(), None), {}",
        use=("--loss", "mine"),
        says=("error: ", "hint: This is a bug in the loss 'mine' of acme 1.0."),
    ),
    "wrong shapes": Fault(
        GENERATOR,
        "import torch\nclass Mine(torch.nn.Linear):\n    def __init__(self): super().__init__(100, 784)\n"
        "    def forward(self, z, y=None): return super().forward(z)",
        use=("--generator", "mine"),
        says=(
            "error: The generator 'mine' of acme 1.0 returned a tensor of shape (2, 784) instead of two images "
            "(2, 1, 28, 28).",
            "hint: G(z, y) must return a float tensor N×C×H×W.",
        ),
    ),
    "factory with an unknown parameter": Fault(
        GENERATOR,
        "def Mine(image, lattent): pass",
        use=("--generator", "mine"),
        says=(
            "error: generator 'mine' needs the option 'lattent' (any).",
            "hint: Set it with -o PART.lattent=VALUE. ",
        ),
    ),
    ".item() in the loss": Fault(
        LOSS,
        "import ganctl\nfrom torch.nn.functional import softplus\nclass Mine(ganctl.Loss):\n"
        "    def discriminator_loss(self, D, real, fake):\n"
        "        loss = (softplus(-D(real.x, None)) + softplus(D(fake.x, None))).mean()\n"
        "        self.last = loss.item()\n"
        "        return loss, {}\n"
        "    def generator_loss(self, D, real, fake): return softplus(-D(fake.x, None)).mean(), {}\n",
        use=("--loss", "mine"),
        says=("acme_parts.py, line 6 reads a value from the device in every step, which stalls a GPU.",),
        works=True,
    ),
    "imports torch at registration": Fault("import torch\n" + LOSS),
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    return folder


def messages_in(stderr: str) -> list[str]:
    """Return the warnings and errors in ``stderr``, without the progress of training."""
    return [
        line for line in stderr.splitlines() if line.startswith(("warning", "error", "hint", "Traceback"))
    ]


@pytest.mark.parametrize("fault", FAULTS)
def test_broken_plugin_is_reported_and_builtin_models_train(
    site: Path, tmp_path: Path, ganctl: Run, fault: str
) -> None:
    broken = FAULTS[fault]
    install(site, "acme", broken.source, requires=broken.requires, acme_parts=broken.parts)

    # DCGAN's loss is named bce. If another plugin registers that name too, DCGAN uses the loss from its own package.
    own = ganctl(*DCGAN, "-o", "generator.width=4", "--out", "own")
    assert own.returncode == 0, own.stderr
    assert "Finished: 1 steps" in own.stderr
    messages = messages_in(own.stderr)
    assert len(messages) == bool(broken.always)
    assert all(broken.always in line for line in messages)

    if broken.use:
        used = ganctl(*DCGAN, *broken.use, "--out", "used")
        assert (used.returncode == 0) == broken.works, used.stderr
        shown = messages_in(used.stderr)
        assert len(shown) == len(broken.says)
        assert all(expected in line for expected, line in zip(broken.says, shown, strict=True))
    if (
        fault == "name taken twice"
    ):  # a checkpoint saved before the other plugin was installed can also be resumed
        (checkpoint,) = (tmp_path / "own" / "checkpoints").glob("*.pt")
        state = torch.load(checkpoint, weights_only=True)
        assert state["components"]["loss"]["distribution"] == "ganctl"
        state["config"]["loss"]["name"] = "bce"
        save(tmp_path / "before.pt", {key: value for key, value in state.items() if key != "format"})
        resumed = ganctl("train", "--resume", "before.pt", "--steps", 2)
        assert resumed.returncode == 0, resumed.stderr
    if fault == "imports torch at registration":
        (row,) = [line for line in ganctl("plugins").stdout.splitlines() if line.startswith("acme")]
        assert "imports torch when it registers" in row


@pytest.mark.skipif(os.name == "nt", reason="Windows does not report the CPU time of child processes")
def test_help_with_thirty_plugins_takes_less_than_twice_as_long(site: Path) -> None:
    """Compare the minimum CPU time of several runs, alternating between thirty plugins and none."""

    def seconds(path: str) -> float:
        before = os.times()
        environment = {**os.environ, "PYTHONPATH": path}
        subprocess.run(
            [sys.executable, "-m", "ganctl", "--help"],
            env=environment,
            capture_output=True,
            check=True,
            timeout=60,
        )
        after = os.times()
        return sum(after[2:4]) - sum(before[2:4])  # user and system time of child processes

    for number in range(30):
        source = LOSS.replace('"mine"', f'"loss-{number}"').replace("acme", f"acme_{number}")
        install(site, f"acme-{number}", source, requires="ganctl>=0.0.1")
    with_thirty, path = os.environ["PYTHONPATH"], os.environ["PYTHONPATH"].replace(str(site), "")
    counted = subprocess.run(
        [sys.executable, "-m", "ganctl", "list", "losses"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert counted.stdout.count("acme-") == 30

    many, none = [], []
    for _ in range(12):
        many.append(seconds(with_thirty))
        none.append(seconds(path))
        if len(many) >= 3 and min(many) < 2 * min(none):
            break
    assert min(many) < 2 * min(none)
