"""Test creating, numbering, locking and reading run folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ganctl import USAGE, GanctlError
from ganctl.runs import status as run_status
from ganctl.runs.folder import Run, check_run_name


def test_run_numbers_increase(tmp_path: Path) -> None:
    names = [Run.create_numbered(tmp_path / "runs", "gan-mnist").path.name for _ in range(3)]
    assert names == ["00001-gan-mnist", "00002-gan-mnist", "00003-gan-mnist"]


def test_run_number_is_never_reused(tmp_path: Path) -> None:
    """A number is not reused after gaps, for a different name, or next to folders that are not runs."""
    for name in ("00007-dcgan-cifar10", "notes", "12-short", "00003-gan"):
        (tmp_path / name).mkdir()
    assert Run.create_numbered(tmp_path, "gan").path.name == "00008-gan"
    (tmp_path / "123456-gan").mkdir()
    assert Run.create_numbered(tmp_path, "gan").path.name == "123457-gan"


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("gan-my faces", "00001-gan-my-faces"),
        ("gan-../../x", "00001-gan-..-..-x"),
        ("/etc/passwd", "00001-etc-passwd"),
        ("gan-Bilder ä ö", "00001-gan-Bilder"),
        ("///", "00001-run"),
        ("..", "00001-run"),
    ],
)
def test_any_run_name_creates_one_folder_in_the_parent(given: str, made: str, tmp_path: Path) -> None:
    run = Run.create_numbered(tmp_path / "runs", given)
    assert run.path == tmp_path / "runs" / made
    assert [p.name for p in tmp_path.iterdir()] == ["runs"]


def test_existing_out_folder_must_be_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert Run.create(tmp_path / "empty").checkpoints_dir.is_dir()
    assert Run.create(tmp_path / "a" / "b" / "new").samples_dir.is_dir()
    with pytest.raises(GanctlError, match="already exists and is not empty") as caught:
        Run.create(tmp_path / "empty")
    assert caught.value.status == 2
    assert caught.value.hint == "Choose another folder."


def test_existing_run_can_be_resumed_with_its_plugin_files(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "my run")
    run.config_file.write_text('[plugins]\n"./my loss.py" = "0123"\n')
    with pytest.raises(GanctlError, match="already exists and is not empty") as caught:
        Run.create(run.path)
    assert caught.value.hint.endswith(f": ganctl train --resume '{run.path}' --plugin 'my loss.py'")


def test_folder_created_at_the_same_time_by_another_process_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If two processes find an empty folder, the process that first creates a subfolder gets the folder."""
    original = Path.iterdir

    def empty_still(self: Path) -> object:
        seen = list(original(self))
        (tmp_path / "run" / "samples").mkdir(exist_ok=True)
        return iter(seen)

    monkeypatch.setattr(Path, "iterdir", empty_still)
    with pytest.raises(GanctlError, match="already exists and is not empty"):
        Run.create(tmp_path / "run")


def test_open_requires_config_and_status(tmp_path: Path) -> None:
    with pytest.raises(GanctlError, match="does not exist"):
        Run.open(tmp_path / "none")
    with pytest.raises(GanctlError, match=r"no config\.toml"):
        Run.open(tmp_path)
    (tmp_path / "config.toml").touch()
    with pytest.raises(GanctlError, match="an earlier version of ganctl created it"):
        Run.open(tmp_path)
    run_status.write(tmp_path / "status.json", run_status.Status("waiting"))
    assert Run.open(tmp_path).path == tmp_path


def test_lock_excludes_other_processes_until_released(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    with run.lock(), pytest.raises(GanctlError, match="Another process is training"), Run(run.path).lock():
        pass
    with run.lock():
        pass
    with pytest.raises(ZeroDivisionError), run.lock():
        1 / 0  # noqa: B018
    with run.lock():
        pass


def test_checkpoints_and_samples_are_sorted_by_step(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    for step in (1000, 7, 99):
        run.checkpoint_file(step).touch()
        (run.samples_dir / f"epoch-0001-step-{step:08d}.png").touch()
    (run.checkpoints_dir / ".ganctl-0123456789abcdef.tmp").touch()
    (run.checkpoints_dir / "step-00000005.damaged").touch()
    assert [p.name for p in run.checkpoints] == ["step-00000007.pt", "step-00000099.pt", "step-00001000.pt"]
    assert [p.name[-12:-4] for p in run.samples] == ["00000007", "00000099", "00001000"]


def test_finished_run_can_be_read(tiny_run: Run) -> None:
    assert tiny_run.config["model"] == "gan"
    assert tiny_run.config["data"] == {"name": "glyphs", "n": 100, "seed": 0}
    assert [record["step"] for record in tiny_run.losses] == [7, 13]
    assert {"epoch", "d_loss", "g_loss", "D(x)", "D(G(z))"} < set(tiny_run.losses[0])
    assert len(tiny_run.samples) == 3
    assert repr(tiny_run) == f"Run({str(tiny_run.path)!r})"


def test_name_does_not_depend_on_the_current_folder(tiny_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_run.path)
    assert Run(".").name == tiny_run.path.name
    assert Run(os.curdir).losses == tiny_run.losses


def test_incomplete_last_line_is_ignored(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    run.losses_file.write_text('{"step": 7, "d_loss": "nan"}\n{"step": 14, "d_lo')
    assert [record["step"] for record in run.losses] == [7]
    assert run.losses[0]["d_loss"] != run.losses[0]["d_loss"]


def test_unwritable_parent_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for make in (
        lambda: Run.create(tmp_path / "file" / "run"),
        lambda: Run.create(tmp_path / "file"),
        lambda: Run.create_numbered(tmp_path / "file" / "runs", "gan"),
        lambda: Run.create_numbered(tmp_path / "file", "gan"),
    ):
        with pytest.raises(GanctlError, match="Cannot create a run folder") as caught:
            make()
        assert caught.value.status == 1
        assert "--runs" in caught.value.hint


@pytest.mark.parametrize("name", ["first-try", "a", "x_1.2", "A" * 100])
def test_valid_run_name_is_kept_unchanged(name: str, tmp_path: Path) -> None:
    check_run_name(name)
    assert Run.create_numbered(tmp_path, name).path.name == f"00001-{name}"


@pytest.mark.parametrize("name", ["", " ", "a/b", "../x", "a b", "-a", "a-", "é", "A" * 101, "a\n"])
def test_run_name_that_would_have_to_be_changed_is_refused(name: str) -> None:
    with pytest.raises(GanctlError, match="cannot be used in a folder name") as caught:
        check_run_name(name)
    assert caught.value.status == USAGE
