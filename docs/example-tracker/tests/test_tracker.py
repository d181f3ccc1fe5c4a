"""Tests with a server on this machine, without a network."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
from ganctl_webhook.tracker import Webhook


class Handler(BaseHTTPRequestHandler):
    """Appends the messages that it receives to ``server.messages``."""

    server: Any

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.messages.append(json.loads(body))
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


def test_numbers_checkpoints_and_final_state_are_sent(tmp_path: Path, server: Any) -> None:
    (tmp_path / "status.json").write_text('{"state": "finished"}')
    tracker = Webhook(tmp_path, url=f"http://127.0.0.1:{server.server_port}")
    tracker.scalars(50, {"d_loss": 0.5})
    tracker.checkpoint(50, Path("step-00000050.pt"))
    tracker.close()
    assert server.messages == [
        {"run": tmp_path.name, "step": 50, "values": {"d_loss": 0.5}},
        {"run": tmp_path.name, "step": 50, "checkpoint": "step-00000050.pt"},
        {"run": tmp_path.name, "state": "finished"},
    ]


def test_unreachable_server_raises_an_error(tmp_path: Path) -> None:
    tracker = Webhook(tmp_path, url="http://127.0.0.1:9", timeout=1)
    with pytest.raises(URLError):
        tracker.scalars(1, {"d_loss": 0.5})


def test_registration_does_not_import_torch() -> None:
    import subprocess
    import sys

    code = "import sys, ganctl_webhook; print(sorted({'torch', 'PIL'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
