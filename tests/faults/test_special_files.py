"""Pipes, devices, sockets and kernel files in place of a file are refused immediately with a one-line error."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.in_process_cli import assert_error, run

from ganctl.runs.folder import Run

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
SPECIAL = ("pipe", "socket", "device", "kernel")
TRAIN = ("train", "--model", "gan", "--steps", 1)


@pytest.fixture
def special(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Path]]:
    """Paths of special files, one of each kind."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        yield {
            "pipe": tmp_path / "pipe",
            "socket": tmp_path / "socket",
            "device": Path("/dev/zero"),
            "kernel": Path("/proc/self/environ"),
        }


def ganctl(*args: object) -> None:
    """Run a command that must fail with one error. A separate process is used because a pipe could block it."""
    done = subprocess.run(
        [sys.executable, "-m", "ganctl", *map(str, args)],
        capture_output=True, text=True, timeout=60, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode in (2, 3, 4), done.stderr
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["error", "hint"]


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize(
    ("args", "status"),
    [
        (("sample", "--ckpt"), 4),
        (("explore", "--no-browser", "--ckpt"), 4),
        (("train", "--resume"), 4),
        ((*TRAIN, "--data", "glyphs", "--config"), 2),
        ((*TRAIN, "--data", "glyphs", "--plugin"), 2),
        ((*TRAIN, "--data"), 3),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else "",
)
def test_special_file_is_refused(
    kind: str,
    args: tuple[object, ...],
    status: int,
    special: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    if not special[kind].exists():
        pytest.skip(f"this system has no {special[kind]}")
    started = time.monotonic()
    assert_error(run(capsys, *args, special[kind]), status, special[kind])
    assert time.monotonic() - started < 10
    assert sorted(path.name for path in Path().iterdir()) == ["pipe", "socket"]


@pytest.mark.parametrize("kind", SPECIAL)
def test_output_never_replaces_a_special_file(
    kind: str, special: dict[str, Path], tiny_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    out = special[kind]
    assert run(capsys, *TRAIN, "--data", "glyphs", "-o", "data.n=200", "--out", out).status == 1
    if kind == "pipe":
        named = out.rename("x.png")
        assert run(capsys, "sample", "--ckpt", tiny_run.path, "--n", 1, "--out", named).status in (1, 2)
        assert named.is_fifo()


@pytest.mark.slow
def test_pipe_does_not_block_the_command(special: dict[str, Path]) -> None:
    ganctl("sample", "--ckpt", special["pipe"])
    ganctl(*TRAIN, "--data", special["pipe"])


@pytest.mark.parametrize("folder", ["/proc", "/sys", "/dev"])
def test_kernel_folder_is_refused_as_a_dataset(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    if not Path(folder).is_dir():
        pytest.skip(f"this system has no {folder}")
    started = time.monotonic()
    assert_error(run(capsys, *TRAIN, "--data", folder), 3, folder, "kernel")
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("name", ["status.json", "losses.jsonl", "config.toml", "real.png"])
def test_pipe_in_a_run_folder_does_not_block(
    name: str, tiny_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(tiny_run.path, tmp_path / "run"))
    (copy / name).unlink()
    os.mkfifo(copy / name)
    result = run(capsys, "report", copy, "--out", tmp_path / "x.html")
    assert "Traceback" not in result.stderr
    assert "bug in" not in result.stderr


def test_toml_with_a_byte_order_mark_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.toml").write_bytes(b'\xef\xbb\xbfmodel = "no-such-model"\ndata = "glyphs"\n')
    assert_error(run(capsys, "train", "--config", tmp_path / "x.toml"), 2, "no-such-model")


def test_toml_that_is_not_utf8_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.toml").write_bytes('model = "gän"\n'.encode("latin-1"))
    assert_error(
        run(capsys, "train", "--config", tmp_path / "x.toml"), 2, "not encoded as UTF-8", "0xe4", "iconv"
    )


@pytest.mark.parametrize("text", ["x = " + "[" * 100_000, "x = " + "{y = " * 100_000])
def test_deeply_nested_toml_is_an_error(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.toml").write_text(text)
    assert_error(run(capsys, "train", "--config", tmp_path / "x.toml"), 2, "x.toml", "nested too deeply")


@pytest.mark.parametrize("part", ["generator", "schedules", "trackers", "a"])
def test_deeply_nested_setting_is_an_error(
    part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.toml").write_text(f'model = "gan"\ndata = "glyphs"\n[{part}{".a" * 2000}]\nb = 1\n')
    assert_error(run(capsys, "train", "--config", tmp_path / "x.toml"), 2, "x.toml", "nested too deeply")
