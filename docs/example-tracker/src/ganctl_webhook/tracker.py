"""Send the numbers of a ganctl run to a web address."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import ganctl


class Webhook(ganctl.Tracker):
    """Send the numbers, checkpoints and final state of a run to a web address as JSON.

    Args:
        url: Address that receives the POST requests.
        timeout: Seconds to wait for the server.
    """

    def __init__(self, folder: Path, url: str, timeout: float = 5.0) -> None:
        self._folder, self._url, self._timeout = folder, url, timeout

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self._send(step=step, values=dict(values))

    def checkpoint(self, step: int, path: Path) -> None:
        self._send(step=step, checkpoint=str(path))

    def close(self) -> None:
        self._send(state=json.loads((self._folder / "status.json").read_text())["state"])

    def _send(self, **message: Any) -> None:
        body = json.dumps({"run": self._folder.resolve().name, **message}).encode()
        request = Request(self._url, body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=self._timeout):
            pass
