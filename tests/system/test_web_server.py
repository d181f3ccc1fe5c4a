"""Test the checks of Host headers and ports. Requests are tested with each page."""

from __future__ import annotations

import pytest

from ganctl import GanctlError
from ganctl.system.web_server import PageHandler, WebServer, is_this_machine


def test_host_headers_are_checked() -> None:
    assert is_this_machine("gpu7:8490", "gpu7")
    assert is_this_machine("192.168.1.7:8490", "0.0.0.0")
    assert is_this_machine("LOCALHOST", "127.0.0.1")
    for other in ("gpu7", "", ":8490", "evil.example", "[::1", "a b", "localhost\x00"):
        assert not is_this_machine(other, "127.0.0.1")


def test_port_in_use_is_an_error() -> None:
    with WebServer("127.0.0.1", 0, PageHandler) as server:
        with pytest.raises(GanctlError, match=f"Port {server.server_port} of 127.0.0.1 is in use") as caught:
            WebServer("127.0.0.1", server.server_port, PageHandler)
        assert "--port 0" in caught.value.hint
    with pytest.raises(GanctlError, match=r"Cannot listen on 192\.0\.2\.1"):
        WebServer("192.0.2.1", 0, PageHandler)
