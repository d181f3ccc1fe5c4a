"""The page over HTTP: for this machine, and for nobody's other pages.

A browser lets any page send requests to 127.0.0.1. So what comes is answered only if it is addressed to this machine by
number or by a name that cannot be made to lead here from elsewhere (DNS rebinding), and if it comes from our own page.
No request names a file.
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
from ganctl.explore.explorer import MOST, Explorer

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
    """Listens at once, so that a port in use is said before any work, and answers from ``serve`` on.

    Raises:
        GanctlError: it cannot listen there.
    """

    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"  # there it would share a port with who has it already

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
        socketserver.TCPServer.server_bind(self)  # HTTPServer's asks the network for this machine's name
        self.server_name, self.server_port = self.host, self.server_address[1]

    def serve(self, explorer: Explorer) -> None:
        """Answer, until another thread calls ``shutdown``."""
        self.explorer = explorer
        self.serve_forever(poll_interval=0.1)

    @property
    def url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # the browser has gone
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"  # one connection for all pictures
    timeout = 300  # seconds; then an idle connection is closed
    wbufsize = -1  # head and body leave together
    disable_nagle_algorithm = True

    def version_string(self) -> str:
        return "ganctl"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        path, query = self._asked()
        if not self._welcome(path):
            return
        if path in self.server.page:
            self._send(*self.server.page[path])
        elif path == "/model":
            self._answer("application/json", lambda: json.dumps(self.server.explorer.model()).encode())
        elif path == "/latents":
            truncation = query.get("truncation")
            self._answer(
                "application/octet-stream",
                lambda: self.server.explorer.latents(
                    int(query.get("n", "1")),
                    int(query.get("seed", "0")),
                    float(truncation) if truncation else None,
                ),
            )
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "There is nothing here.")

    def do_POST(self) -> None:
        path, query = self._asked()
        body = self._body()
        if body is None or not self._welcome(path):
            return
        classes = query.get("y", "")
        if path == "/picture":
            self._answer("application/octet-stream", lambda: self.server.explorer.picture(body, classes))
        elif path == "/picture.png":
            self._answer("image/png", lambda: self.server.explorer.png(body, classes))
        elif path == "/latents.npz":
            self._answer("application/octet-stream", lambda: self.server.explorer.archive(body, classes))
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "There is nothing here.")

    def _asked(self) -> tuple[str, dict[str, str]]:
        path, _, query = self.path.partition("?")
        return path, {name: values[-1] for name, values in parse_qs(query).items()}

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        most = MOST * 4 * self.server.explorer.sampler.latent.dim
        if not length.isdecimal() or int(length) > most:
            self.close_connection = True  # what follows is not read
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Send at most {most} bytes, and say how many.")
            return None
        return self.rfile.read(int(length))

    def _welcome(self, path: str) -> bool:
        """Whether the request is for this machine and from our own page; else it is refused."""
        host = self.headers.get("Host", "")
        if not is_this_machine(host, self.server.host):
            self._refuse(HTTPStatus.FORBIDDEN, f"This server is not called '{host}'. Open {self.server.url}")
            return False
        origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site")
        foreign = origin is not None and origin not in (f"http://{host}", f"https://{host}")
        if path != "/":  # a link from elsewhere may lead to the page
            foreign = foreign or site not in (None, "same-origin", "none")
        if foreign:
            self._refuse(HTTPStatus.FORBIDDEN, "Requests of other pages are not answered.")
        return not foreign

    def _answer(self, kind: str, make: Any) -> None:
        try:
            body = make()
        except GanctlError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, f"{error.message} {error.hint}".strip())
        except ValueError:  # a number that is none
            self._refuse(HTTPStatus.BAD_REQUEST, "That cannot be read.")
        except (
            Exception
        ) as error:  # a plugin's network, or no memory: the page says so, and the next may work
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}")
        else:
            self._send(body, kind)

    def _refuse(self, status: HTTPStatus, message: str) -> None:
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
    """Whether a Host header names this machine: by a number, as localhost, or as ``host``, where it listens."""
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
        hint = "Perhaps ganctl explore runs already. --port 0 takes one that is free."
        return GanctlError(f"Port {port} of {host} is in use.", hint)
    if number in (errno.EACCES, errno.EPERM):
        return GanctlError(f"Port {port} is not for everybody.", "Take one above 1023, or --port 0.")
    reason = getattr(error, "strerror", None) or error
    return GanctlError(f"Cannot listen on {host}, port {port}: {reason}.", "Try --host 127.0.0.1.")
