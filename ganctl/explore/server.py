"""Serve the page over HTTP, and refuse the requests of other pages.

A browser lets any page send requests to 127.0.0.1. The server therefore accepts only requests from its own page whose
Host header is an IP address, ``localhost``, or the host that the server listens on. No other name is accepted, because
any name can be made to resolve to this machine (DNS rebinding). Requests do not contain file names.
"""

from __future__ import annotations

import errno
import ipaddress
import json
import re
import socket
import socketserver
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from ganctl.errors import GanctlError
from ganctl.explore.explorer import MAX_SAMPLES, Explorer

HERE = Path(__file__).parent
PAGE = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Server(ThreadingHTTPServer):
    """An HTTP server that listens from its creation, so that a port in use is reported early.

    Raises:
        GanctlError: the server cannot listen on this host and port.
    """

    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"  # on Windows, two servers would share the port

    explorer: Explorer

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.page = {path: ((HERE / name).read_bytes(), kind) for path, (name, kind) in PAGE.items()}
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), Handler)
        except (OSError, OverflowError) as error:
            raise _cannot_listen(host, port, error) from error

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer would look up the name of this machine
        self.server_name, self.server_port = self.host, self.server_address[1]

    def serve(self, explorer: Explorer) -> None:
        """Handle requests until another thread calls ``shutdown``."""
        self.explorer = explorer
        self.serve_forever(poll_interval=0.1)

    @property
    def url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # OSError: the browser closed the connection
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Handle the requests of the page."""

    server: Server
    protocol_version = "HTTP/1.1"  # one connection for all requests
    timeout = 300  # seconds until an idle connection is closed
    wbufsize = -1  # buffered, so that header and body are sent together
    disable_nagle_algorithm = True

    def version_string(self) -> str:
        return "ganctl"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        path, query = self._parse_path()
        if not self._check_origin(path):
            return
        if path in self.server.page:
            self._send(*self.server.page[path])
        elif path == "/model":
            self._respond("application/json", lambda: json.dumps(self.server.explorer.model()).encode())
        elif path == "/latents":
            truncation = query.get("truncation")
            self._respond(
                "application/octet-stream",
                lambda: self.server.explorer.latents(
                    int(query.get("n", "1")),
                    int(query.get("seed", "0")),
                    float(truncation) if truncation else None,
                ),
            )
        else:
            self._send_error(HTTPStatus.NOT_FOUND, "Not found.")

    def do_POST(self) -> None:
        path, query = self._parse_path()
        body = self._body()
        if body is None or not self._check_origin(path):
            return
        classes = query.get("y", "")
        if path == "/image":
            self._respond("application/octet-stream", lambda: self.server.explorer.pixels(body, classes))
        elif path == "/image.png":
            self._respond("image/png", lambda: self.server.explorer.png(body, classes))
        elif path == "/latents.npz":
            self._respond("application/octet-stream", lambda: self.server.explorer.archive(body, classes))
        else:
            self._send_error(HTTPStatus.NOT_FOUND, "Not found.")

    def _parse_path(self) -> tuple[str, dict[str, str]]:
        path, _, query = self.path.partition("?")
        return path, {name: values[-1] for name, values in parse_qs(query).items()}

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        limit = MAX_SAMPLES * 4 * self.server.explorer.sampler.latent.dim
        if not length.isdecimal() or int(length) > limit:
            self.close_connection = True  # the body is not read
            self._send_error(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Send a Content-Length of at most {limit} bytes."
            )
            return None
        return self.rfile.read(int(length))

    def _check_origin(self, path: str) -> bool:
        """Return whether the request is addressed to this machine and sent by our page. Otherwise send an error."""
        host = self.headers.get("Host", "")
        if not is_this_machine(host, self.server.host):
            self._send_error(
                HTTPStatus.FORBIDDEN, f"'{host}' is not a name of this server. Open {self.server.url}"
            )
            return False
        origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site")
        foreign = origin is not None and origin not in (f"http://{host}", f"https://{host}")
        if path != "/":  # other pages may link to the page itself
            foreign = foreign or site not in (None, "same-origin", "none")
        if foreign:
            self._send_error(HTTPStatus.FORBIDDEN, "Requests of other pages are refused.")
        return not foreign

    def _respond(self, kind: str, make: Any) -> None:
        try:
            body = make()
        except GanctlError as error:
            self._send_error(HTTPStatus.BAD_REQUEST, f"{error.message} {error.hint}".strip())
        except ValueError:  # an invalid number
            self._send_error(HTTPStatus.BAD_REQUEST, "The request is invalid.")
        except Exception as error:  # a plugin's network, or out of memory: the next request may succeed
            self._send_error(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}")
        else:
            self._send(body, kind)

    def _send_error(self, status: HTTPStatus, message: str) -> None:
        self._send(message.encode(), "text/plain; charset=utf-8", status)

    def _send(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


def is_this_machine(header: str, host: str) -> bool:
    """Return whether a Host header is an IP address, ``localhost``, or the ``host`` that the server listens on."""
    match = re.fullmatch(r"(?:\[([0-9a-f:.]+)\]|([\w.-]+))(?::\d+)?", header.lower())
    name = (match[1] or match[2]) if match else ""
    if name and name in ("localhost", host.lower()):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _cannot_listen(host: str, port: int, error: OSError | OverflowError) -> GanctlError:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        hint = "Stop the program that uses it, or choose a free port with --port 0."
        return GanctlError(f"Port {port} of {host} is in use.", hint)
    if number in (errno.EACCES, errno.EPERM):
        return GanctlError(f"Port {port} is privileged.", "Choose a port above 1023, or --port 0.")
    reason = getattr(error, "strerror", None) or error
    return GanctlError(f"Cannot listen on {host}, port {port}: {reason}.", "Try --host 127.0.0.1.")
