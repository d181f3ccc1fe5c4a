"""Test shell completion of run folders, component names and component options."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from helpers import fake_runs

from ganctl.cli import cli


def complete(*words: str) -> list[str]:
    *args, incomplete = words
    items = ShellComplete(cli, {}, "ganctl", "_GANCTL_COMPLETE").get_completions(args, incomplete)
    return [item.value for item in items if item.type == "plain"]


@pytest.mark.parametrize(
    "words", ["train --resume", "watch", "report", "evolution", "sample --ckpt", "explore --ckpt"]
)
def test_run_folders_are_completed(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("runs/00001-a", "runs/00002-b", "other/c"):
        fake_runs.make(tmp_path / name)
    (tmp_path / "runs" / "notes").mkdir()
    assert complete(*words.split(), "") == ["runs/00001-a", "runs/00002-b"]
    assert complete(*words.split(), "runs/00002") == ["runs/00002-b"]
    assert complete(*words.split(), "other/") == ["other/c"]
    assert complete(*words.split(), f"{tmp_path}/oth") == []


@pytest.mark.parametrize("option", ["train -o", "sweep --grid"])
def test_components_and_their_options_are_completed(option: str) -> None:
    command, name = option.split()
    assert complete(command, name, "gen") == ["generator."]
    assert "generator.width=" in complete(command, "--model", "dcgan", name, "generator.w")
    assert complete(command, "--model", "gan", name, "generator.w") == []
    assert "generator.hidden=" in complete(command, "--model", "gan", name, "generator.h")
    assert "generator.width=" in complete(command, name, "generator.")
    assert complete(command, name, "lec") == ["lecam."]
    assert complete(command, name, "lecam.") == ["lecam.decay=", "lecam.every=", "lecam.weight="]
    assert not {"generator.image=", "generator.self="} & set(complete(command, name, "generator."))


def test_completion_does_not_import_torch() -> None:
    code = (
        "import sys; from click.shell_completion import ShellComplete; from ganctl.cli import cli\n"
        "for part in ('generator.', 'loss.', 'g_optimizer.', 'latent.', 'augment.'):\n"
        "    ShellComplete(cli, {}, 'ganctl', 'X').get_completions(['train', '-o'], part)\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
