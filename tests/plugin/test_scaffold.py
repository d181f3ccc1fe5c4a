"""Test ``ganctl plugins new`` and ``check``: a new plugin works unchanged, and mistakes are reported."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganctl import GanctlError
from ganctl.plugin import discovery, scaffold
from ganctl.plugin.names import package_name
from ganctl.plugin.source_tree import SourceTree

REGISTRY = discovery.registry()
Ganctl = Callable[..., subprocess.CompletedProcess[str]]


def as_installed(folder: Path) -> str:
    """Return a PYTHONPATH entry that makes the source tree in ``folder`` appear installed."""
    tree = SourceTree(folder)
    info = folder / "src" / f"{package_name(tree.metadata['Name'])}-{tree.version}.dist-info"
    info.mkdir()
    for name in ("METADATA", "entry_points.txt"):
        (info / name).write_text(tree.read_text(name) or "")
    return str(folder / "src")


@pytest.mark.slow
def test_new_plugin_of_each_kind_passes_its_tests_and_trains(tmp_path: Path, ganctl: Ganctl) -> None:
    folders = []
    for kind in scaffold.USES:
        scaffold.create(f"ganctl-my-{kind}", kind, tmp_path, REGISTRY)
        folders.append(tmp_path / f"ganctl-my-{kind}")
    environment = {"PYTHONPATH": os.pathsep.join(map(as_installed, folders)), "GANCTL_STRICT": "1"}
    tests = [str(folder / "tests") for folder in folders]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=tmp_path,
        env={**os.environ, **environment, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    assert "41 passed" in done.stdout

    # Train once with all of these components in place of the model's components.
    train = [
        "train", "--model", "my-model", "--data", "my-dataset", "--steps", "2", "--batch-size", "16",
        "-o", "data.n=64", "-o", "generator.width=8", "-o", "discriminator.width=8",
    ]  # fmt: skip
    others = {"loss": "loss", "generator": "generator", "discriminator": "discriminator"}
    others |= {"optimizer": "optimizer", "augmentation": "augment"}
    others |= {kind: kind for kind in ("regularizer", "latent", "metric", "tracker")}
    for kind, option in others.items():
        train += [f"--{option}", f"my-{kind}"]
    done = ganctl(*train, env=environment)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("runs/*/checkpoints/*.pt"))


@pytest.mark.parametrize("kind", scaffold.USES)
def test_new_plugin_is_complete_and_has_no_placeholders(kind: str, tmp_path: Path) -> None:
    created = scaffold.create("ganctl-soft.thing", kind, tmp_path, REGISTRY)
    folder = tmp_path / "ganctl-soft.thing"
    assert sorted(created) == sorted(path for path in folder.rglob("*") if path.is_file())
    names = {str(path.relative_to(folder)) for path in created}
    assert {"pyproject.toml", "README.md", ".gitignore", ".github/workflows/test.yml"} <= names
    assert {"src/ganctl_soft_thing/__init__.py", "tests/test_ganctl_soft_thing.py"} <= names
    for path in created:
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"@(\w+)", text)) <= {"v4", "v5", "ganctl", "torch", "click"}, path
        if path.suffix == ".py":
            compile(text, str(path), "exec")
    assert SourceTree(folder).metadata["Name"] == "ganctl-soft.thing"
    assert [(p.name, p.value) for p in SourceTree(folder).entry_points] == [
        ("soft-thing", "ganctl_soft_thing")
    ]


def test_all_templates_are_used() -> None:
    used = {template for kind in scaffold.USES for template in scaffold._files(kind, "x").values()}
    assert used == {str(path.relative_to(scaffold.TEMPLATES)) for path in scaffold.TEMPLATES.rglob("*.in")}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("my loss", "consists of letters, digits"),
        ("../escape", "consists of letters, digits"),
        ("-x", "consists of letters, digits"),
        ("x" * 200, "consists of letters, digits"),
        ("3d-loss", "Python cannot import"),
        ("class", "Python cannot import"),
        ("json", "a module 'json' already exists"),
        ("ganctl", "a module 'ganctl' already exists"),
        ("ganctl-losses", "a module 'ganctl_losses' already exists"),
        ("ganctl-hinge", "The loss would be called 'hinge', but ganctl"),
    ],
)
def test_invalid_names_are_errors(name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(GanctlError) as error:
        scaffold.create(name, "loss", tmp_path, REGISTRY)
    assert reason in error.value.message
    assert error.value.hint
    assert list(tmp_path.iterdir()) == []


def test_existing_folder_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "ganctl-mine").mkdir()
    with pytest.raises(GanctlError, match="already exists; nothing was written"):
        scaffold.create("ganctl-mine", "loss", tmp_path, REGISTRY)
    assert list((tmp_path / "ganctl-mine").iterdir()) == []


# ---- commands


def test_check_command_accepts_a_new_plugin(tmp_path: Path, ganctl: Ganctl) -> None:
    created = ganctl("plugins", "new", "ganctl-mine", "--kind", "optimizer")
    assert created.returncode == 0, created.stderr
    assert "ganctl train --model dcgan --data glyphs --optimizer mine" in created.stdout
    checked = ganctl("plugins", "check", "./ganctl-mine")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "ok           optimizer 'mine'" in checked.stdout
    assert checked.stdout.endswith("2 checked, no failures.\n")


def test_new_command_must_have_a_new_name(ganctl: Ganctl, tmp_path: Path) -> None:
    refused = ganctl("plugins", "new", "ganctl-sample", "--kind", "command")
    assert refused.returncode == 2
    assert "The command would be called 'sample'" in refused.stderr
    assert not list(tmp_path.glob("ganctl-sample"))


def run_check(*args: str) -> Any:
    """Run ``ganctl plugins check`` in this process, which has already imported torch."""
    from click.testing import CliRunner

    from ganctl.cli.plugins_check import check

    return CliRunner().invoke(check, list(args))


@pytest.fixture
def restored_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore ``sys.path`` when the test ends."""
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.mark.usefixtures("restored_path")
def test_check_prints_each_failure_and_fails(tmp_path: Path) -> None:
    scaffold.create("ganctl-wrong", "loss", tmp_path, REGISTRY)
    file = tmp_path / "ganctl-wrong" / "src" / "ganctl_wrong" / "loss.py"
    file.write_text(
        file.read_text().replace("return -logits(D, fake).mean(), {}", "return 0 * logits(D, fake), {}")
    )
    result = run_check(str(tmp_path / "ganctl-wrong"))
    assert result.exit_code == 1
    assert "FAILED       loss 'wrong'" in result.output
    assert "The loss 'wrong' returns a tensor of shape (6,) in the G step" in result.output
    assert "Average over the batch" in result.output
    assert result.output.endswith("2 checked, 1 failure.\n")


@pytest.mark.usefixtures("restored_path")
def test_check_accepts_a_single_file(tmp_path: Path) -> None:
    (tmp_path / "my_sgd.py").write_text(
        "import ganctl, torch\n"
        "def sgd(params, lr=0.1): return torch.optim.SGD(params, lr=lr)\n"
        "@ganctl.hookimpl\ndef register_optimizers(register): register('my-sgd', sgd, summary='Mine')\n"
    )
    result = run_check(str(tmp_path / "my_sgd.py"))
    assert result.exit_code == 0, result.output
    assert "ok           optimizer 'my-sgd'" in result.output


@pytest.mark.usefixtures("restored_path")
def test_check_skips_data_that_is_not_available(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GANCTL_DATA_ROOT", raising=False)
    result = run_check("folder")
    assert result.exit_code == 0, result.output
    assert "skipped      dataset 'folder': The option 'path' (text) is required" in result.output


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("./no-such-place", "There is no ./no-such-place."),
        ("no-such-plugin", "There is no plugin, distribution or component 'no-such-plugin'."),
        ("EMPTY", "it has no pyproject.toml"),
        ("NO-PLUGIN", "defines no plugin: it has no [project.entry-points.ganctl]"),
    ],
)
@pytest.mark.usefixtures("restored_path")
def test_check_of_a_missing_target_is_an_error(target: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "NO-PLUGIN").mkdir()
    (tmp_path / "NO-PLUGIN" / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    error = run_check(str(tmp_path / target) if target.isupper() else target).exception
    assert isinstance(error, GanctlError)
    assert message in error.message
    assert error.hint
