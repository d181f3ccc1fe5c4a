"""Virtual environments that can import the current environment's packages, so torch need not be installed again."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest


class Environment:
    """A virtual environment without plugins, whose pip needs no network."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.bin = folder / "bin"
        python = self.bin / "python"
        name = f"python{sys.version_info.major}.{sys.version_info.minor}"
        seen = sorted({sysconfig.get_paths()[kind] for kind in ("purelib", "platlib")})
        # addsitedir also reads .pth files, which an editable installation of ganctl needs.
        line = f"import site; list(map(site.addsitedir, {seen!r}))\n"
        (folder / "lib" / name / "site-packages" / "outer.pth").write_text(line)
        self._script("ganctl", f"#!{python}\nfrom ganctl.cli import main\nmain()\n")
        self._script("pytest", f'#!/bin/sh\nexec {python} -m pytest "$@"\n')
        # Packages are built with the hatchling of the current environment.
        offline = "--no-build-isolation --no-index --disable-pip-version-check --quiet"
        self._script(
            "pip",
            '#!/bin/sh\nverb=$1; shift\ncase "$verb" in install|wheel)\n'
            f'exec {python} -m pip "$verb" {offline} "$@";; esac\nexec {python} -m pip "$verb" "$@"\n',
        )

    def _script(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def sh(self, command: str, cwd: Path, *, fails: bool = False) -> str:
        """Run a shell command and return its output. The command must succeed, or fail if ``fails`` is set."""
        variables = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("GANCTL", "PYTHON", "PIP", "VIRTUAL_ENV"))
        }
        variables |= {
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "GANCTL_CACHE": str(self.bin.parent / "cache"),
            "XDG_CONFIG_HOME": str(self.bin.parent / "config"),
        }
        done = subprocess.run(
            ["sh", "-ec", command],
            cwd=cwd,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        assert (done.returncode != 0) == fails, f"$ {command}\n{done.stdout}"
        return done.stdout


needs_pip = pytest.mark.skipif(
    os.name != "posix" or not all(importlib.util.find_spec(name) for name in ("pip", "hatchling")),
    reason="needs pip, hatchling and a shell",
)
