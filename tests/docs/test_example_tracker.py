"""Test docs/example-tracker: its tests pass, and the installed plugin logs a run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXAMPLE = Path(__file__).parents[2] / "docs" / "example-tracker"
Run = Callable[..., subprocess.CompletedProcess[str]]

TRAIN = (
    *(
        "train",
        "--model",
        "gan-basic",
        "--data",
        "glyphs",
        "-o",
        "data.n=32",
        "--batch-size",
        16,
        "--samples",
        1,
    ),
    *("--log-every", 1, "--tracker", "webhook", "--out", "run"),
)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the example as a distribution for the processes that a test starts."""
    site = tmp_path / "site"
    shutil.copytree(EXAMPLE / "src", site)
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = site / f"ganctl_webhook-{project['version']}.dist-info"
    info.mkdir()
    requires = "".join(f"Requires-Dist: {text}\n" for text in project["dependencies"])
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n{requires}"
    )
    points = "".join(f"{name} = {module}\n" for name, module in project["entry-points"]["ganctl"].items())
    (info / "entry_points.txt").write_text(f"[ganctl]\n{points}")
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)


class Handler(BaseHTTPRequestHandler):
    """Append each message received to ``server.messages``."""

    server: Any

    def do_POST(self) -> None:
        self.server.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), Handler)
    server.messages = []
    threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("installed")
def test_tests_of_the_example_pass() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLE)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.usefixtures("installed")
def test_run_is_sent_to_the_server(ganctl: Run, server: Any) -> None:
    assert "trackers: webhook" in ganctl("plugins").stdout
    url = f"tracker.webhook.url=http://127.0.0.1:{server.server_port}"
    done = ganctl(*TRAIN, "--epochs", 1, "-o", url)
    assert (done.returncode, "the tracker" in done.stderr) == (0, False), done.stderr
    assert all(message.pop("run") == "run" for message in server.messages)
    assert [sorted(message) for message in server.messages] == [
        *([["step", "values"]] * 2), ["checkpoint", "step"], ["state"],
    ]  # fmt: skip
    assert set(server.messages[0]["values"]) >= {"d_loss", "g_loss", "D(x)", "D(G(z))"}
    assert server.messages[-1] == {"state": "finished"}


@pytest.mark.usefixtures("installed")
def test_training_continues_without_the_server(tmp_path: Path, ganctl: Run) -> None:
    done = ganctl(*TRAIN, "--epochs", 1, "-o", "tracker.webhook.url=http://127.0.0.1:9")
    assert done.returncode == 0
    (warning,) = [line for line in done.stderr.splitlines() if "the tracker" in line]
    assert warning.startswith("warning: the tracker 'webhook' failed (")
    assert (tmp_path / "run" / "checkpoints" / "step-00000002.pt").exists()
