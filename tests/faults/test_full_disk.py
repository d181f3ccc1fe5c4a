"""Full disk: the error contains the file name, checkpoints stay intact, and the run resumes once there is space."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.bit_identical import assert_same_run
from helpers.fork_server import ForkServer
from helpers.in_process_cli import Result, assert_error, run
from helpers.train_commands import train_args

from ganctl.runs import checkpoint
from ganctl.runs.folder import Run

EVERY_TWO_STEPS = ("--checkpoint-every", 2)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Folder on a 1 MiB file system."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs permission to mount")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path, left: int) -> Path:
    """Write a file that leaves ``left`` bytes of the disk free, and return the file's path."""
    filler, free = disk / "filler", os.statvfs(disk)
    filler.write_bytes(bytes(free.f_bavail * free.f_frsize - left))
    return filler


def test_run_resumes_after_the_disk_filled_during_training(
    small_disk: Path, fork_server: ForkServer, uninterrupted: Callable[..., Run]
) -> None:
    out = small_disk / "run"
    log = small_disk.with_name("log")
    status = fork_server.run(*train_args("gan"), *EVERY_TWO_STEPS, "--out", out, log=log, no_curves=[])
    output = log.read_text()
    assert status == 6, output
    assert f"error: Cannot write {out}/" in output
    assert "No space left on device" in output
    assert "hint: Free disk space" in output
    assert "Traceback" not in output
    kept = Run(out).checkpoints
    assert kept
    for path in kept:
        checkpoint.load(path)
    assert not list(out.rglob("*.tmp"))

    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    status = fork_server.run("train", "--resume", out, log=log, no_curves=[])
    assert status == 0, log.read_text()
    assert_same_run(uninterrupted("gan", *EVERY_TWO_STEPS), Run(out))


@pytest.mark.parametrize("left", [0, 4096, 16384])
def test_full_disk_at_the_start_is_reported(
    left: int, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filler = fill(small_disk, left)
    result = run(capsys, *train_args("gan"), "--out", small_disk / "run")
    assert_error(result, 6, "No space left on device", str(small_disk / "run"))
    filler.unlink()
    again = "--resume" if Run(small_disk / "run").config_file.exists() else "--out"
    assert again == "--resume" or not (small_disk / "run").exists()


def test_full_disk_while_samples_are_written_is_reported(
    small_disk: Path, tiny_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(small_disk, 8192)
    for name in ("x.png", "x.npz", "folder"):
        out = small_disk / name
        result = run(capsys, "sample", "--ckpt", tiny_run.path, "--n", 100, "--out", out)
        assert_error(result, 6, f"Cannot write {out}", "No space left on device")
    assert not list(small_disk.rglob("*.tmp"))
    assert not (small_disk / "x.png").exists()


def make_fsync_fail(monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    """Make the ``nth`` and all later calls of ``os.fsync`` fail with ENOSPC."""
    fsync, count = os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count >= nth:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)


@pytest.mark.parametrize("nth", [1, 3, 6, 10, 16, 22])
def test_run_resumes_after_a_file_could_not_be_written(
    nth: int,
    uninterrupted: Callable[..., Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Training this run also fills the dataset cache, so fsync calls for the cache's files are not counted.
    out, expected = tmp_path / "run", uninterrupted("gan")
    with monkeypatch.context() as patch:
        make_fsync_fail(patch, nth)
        result = run(capsys, *train_args("gan"), "--out", out)
    assert_error(result, 6, f"Cannot write {out}/", "No space left on device", "Free disk space")
    assert not list(tmp_path.rglob("*.tmp"))
    if nth <= 3:  # without status.json and config.toml, the folder is not a run
        assert not out.exists()
        return
    for path in Run(out).checkpoints:
        checkpoint.load(path)
    assert run(capsys, "train", "--resume", out).status == 0
    assert_same_run(expected, Run(out))


def write_to_dev_full(monkeypatch: pytest.MonkeyPatch, name: str, after: int = 0) -> None:
    """Open /dev/full instead of files whose name contains ``name``, except for the first ``after`` of them."""
    original, count = Path.open, 0

    def opened(self: Path, *args: Any, **options: Any) -> Any:
        nonlocal count
        if name in self.name:
            count += 1
            if count > after:
                return original(Path("/dev/full"), *args, **options)
        return original(self, *args, **options)

    monkeypatch.setattr(Path, "open", opened)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("name", "after"), [("losses.jsonl", 0), ("losses.jsonl", 2), ("timing.jsonl", 0), ("log.txt", 0)]
)
def test_run_resumes_after_a_log_line_could_not_be_written(
    name: str,
    after: int,
    uninterrupted: Callable[..., Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        write_to_dev_full(patch, name, after)
        result = run(capsys, *train_args("gan"), "--out", out)
    named = "/dev/full" if name == "log.txt" else out / name
    assert_error(result, 6, f"Cannot write {named}: No space left on device", "Free disk space")
    assert run(capsys, "train", "--resume", out).status == 0
    assert_same_run(uninterrupted("gan"), Run(out))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_for_tensorboard_does_not_stop_the_run(
    uninterrupted: Callable[..., Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "run"
    write_to_dev_full(monkeypatch, "tfevents")
    result: Result = run(capsys, *train_args("gan"), "--out", out)
    assert result.status == 0
    assert result.stderr.count("the tracker 'tensorboard' failed") == 1
    assert "No space left on device" in result.stderr
    assert_same_run(uninterrupted("gan"), Run(out))


def test_full_temporary_folder_does_not_stop_the_run(
    small_disk: Path, tmp_path: Path, uninterrupted: Callable[..., Run]
) -> None:
    """Images are decoded again by worker processes."""
    fill(small_disk, 0)
    environment = {
        **os.environ,
        "TMPDIR": str(small_disk),
        "GANCTL_CACHE": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    words = [sys.executable, "-m", "ganctl", *map(str, train_args("gan")), "--out", str(tmp_path / "run")]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    assert_same_run(uninterrupted("gan"), Run(tmp_path / "run"))


def test_error_is_printed_even_if_the_log_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The checkpoint's error is printed even if it cannot be written to the log."""
    out = tmp_path / "run"
    original = Path.open

    def opened(self: Path, *args: Any, **options: Any) -> Any:
        file = original(self, *args, **options)
        if self.name == "log.txt":
            write = file.write
            lines = iter(range(2))  # the header line and the description line
            file = _FileWithWrite(
                file, lambda data: write(data) if next(lines, None) is not None else _full()
            )
        return file

    monkeypatch.setattr(Path, "open", opened)
    make_fsync_fail(monkeypatch, 6)
    result = run(capsys, *train_args("gan"), "--out", out)
    assert_error(result, 6, f"Cannot write {out}/", "No space left on device")


class _FileWithWrite:
    def __init__(self, file: Any, write: Callable[[bytes], Any]) -> None:
        self._file, self.write, self.name = file, write, file.name

    def __enter__(self) -> _FileWithWrite:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()


def _full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
