"""Users without a home directory, such as an arbitrary UID in a container without an entry in /etc/passwd."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TRAIN = (
    "train",
    "--model",
    "gan",
    "--data",
    "glyphs",
    "-o",
    "data.n=32",
    "--batch-size",
    "8",
    "--steps",
    "1",
)
UNKNOWN_USER = """
import os, pwd, sys

def getpwuid(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")

pwd.getpwuid = getpwuid
for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
    os.environ.pop(name, None)
from ganctl.cli import main
main(sys.argv[1:])
"""

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows always has a home directory")


def run(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("GANCTL_CACHE", "GANCTL_CONFIG")}
    return subprocess.run(
        [sys.executable, "-c", UNKNOWN_USER, *args],
        cwd=folder,
        env={**environment, "OMP_NUM_THREADS": "1", **env},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_training_needs_no_home(tmp_path: Path) -> None:
    result = run(tmp_path, *TRAIN, "--samples", "1", "--out", "run")
    assert result.returncode == 0, result.stderr
    assert (
        "There is no home directory for the cache of decoded datasets. glyphs is kept in memory, and the next run "
        "decodes the images again. Set GANCTL_CACHE to a folder."
    ) in result.stderr
    assert os.listdir(tmp_path) == ["run"]


def test_settings_are_not_written_to_a_folder_named_tilde(tmp_path: Path) -> None:
    result = run(tmp_path, "plugins", "disable", "optim")
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "error: There is no home directory in which to store the list of disabled plugins.",
        "hint: Set GANCTL_CONFIG to a folder.",
    ]
    assert not os.listdir(tmp_path)
    assert run(tmp_path, "plugins", "disable", "optim", GANCTL_CONFIG="config").returncode == 0
    assert os.listdir(tmp_path) == ["config"]


@pytest.mark.parametrize("path", ["~/images", "~nobody-has-this-name/images"])
def test_path_in_a_missing_home_directory_is_an_error(tmp_path: Path, path: str) -> None:
    result = run(tmp_path, "train", "--model", "gan", "--data", path, "--steps", "1", GANCTL_CACHE="~/cache")
    assert result.returncode == 3
    assert f"There is no folder or zip file '{path}'." in result.stderr
    assert not os.listdir(tmp_path)
