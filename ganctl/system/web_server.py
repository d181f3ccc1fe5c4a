"""Serve a page over HTTP to browsers on this machine, and reject requests from other pages.

A browser lets any page send requests to 127.0.0.1. Therefore, the server accepts only requests from its own page whose
Host header is an IP address, ``localhost``, or the host that the server listens on. No other name is accepted, because
any name can be made to resolve to this machine (DNS rebinding). Requests do not contain file names.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import socket
import socketserver
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from ganctl.errors import GanctlError

#: Content security policy of all pages, which the pages' own policies extend.
POLICY = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
ALL_ADDRESSES = ("0.0.0.0", "::")
HEADERS = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class WebServer(ThreadingHTTPServer):
    """HTTP server that starts to listen in its constructor, so that a port in use is reported early.

    Raises:
        GanctlError: the server cannot listen on this host and port.
    """

    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"  # on Windows, two servers could share the port

    def __init__(self, host: str, port: int, handler: type[PageHandler]) -> None:
        self.host = host
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), handler)
        except (OSError, OverflowError) as error:
            raise _cannot_listen(host, port, error) from error

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer would look up this machine's name
        self.server_name, self.server_port = self.host, self.server_address[1]

    @property
    def is_public(self) -> bool:
        """True if other machines can open the page."""
        if self.host in ALL_ADDRESSES:
            return True
        return not ipaddress.ip_address(str(self.server_address[0]).partition("%")[0]).is_loopback

    @property
    def url(self) -> str:
        host = address_of_this_machine(self.address_family) if self.host in ALL_ADDRESSES else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # OSError: the browser closed the connection
            super().handle_error(request, client_address)


class PageHandler(BaseHTTPRequestHandler):
    """Base class that checks requests and sends responses. Subclasses define ``do_GET``.

    Attributes:
        policy: content security policy of the responses.
    """

    server: WebServer
    policy = f"default-src 'none'; {POLICY}"
    protocol_version = "HTTP/1.1"  # one connection for all requests
    timeout = 300  # seconds until an idle connection is closed
    wbufsize = -1  # buffered, so that header and body are sent together
    disable_nagle_algorithm = True

    def version_string(self) -> str:
        return "ganctl"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def parse_path(self) -> tuple[str, dict[str, str]]:
        path, _, query = self.path.partition("?")
        return path, {name: values[-1] for name, values in parse_qs(query).items()}

    def check_origin(self, path: str) -> bool:
        """Return True if the request is addressed to this machine and comes from the page. Otherwise, send an error."""
        host = self.headers.get("Host", "")
        if not is_this_machine(host, self.server.host):
            self.send_message(
                HTTPStatus.FORBIDDEN, f"'{host}' is not a name of this server. Open {self.server.url}"
            )
            return False
        origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site")
        foreign = origin is not None and origin not in (f"http://{host}", f"https://{host}")
        if path != "/":  # other pages may link to the page itself
            foreign = foreign or site not in (None, "same-origin", "none")
        if foreign:
            self.send_message(HTTPStatus.FORBIDDEN, "Requests from other pages are rejected.")
        return not foreign

    def respond(self, kind: str, make: Any) -> None:
        try:
            body = make()
        except GanctlError as error:
            self.send_message(HTTPStatus.BAD_REQUEST, f"{error.message} {error.hint}".strip())
        except ValueError:  # an invalid number
            self.send_message(HTTPStatus.BAD_REQUEST, "The request is invalid.")
        except Exception as error:  # such as a plugin's error or out of memory; the server continues
            self.send_message(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}")
        else:
            self.send_body(body, kind)

    def send_message(self, status: HTTPStatus, message: str) -> None:
        self.send_body(message.encode(), "text/plain; charset=utf-8", status)

    def send_body(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Security-Policy": self.policy}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


def address_of_this_machine(family: int) -> str:
    """Return this machine's address in its network, or the loopback address if there is no network."""
    other, loopback = ("2001:db8::1", "::1") if family == socket.AF_INET6 else ("192.0.2.1", "127.0.0.1")
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((other, 9))  # on a datagram socket, this selects a route and sends nothing
            return str(probe.getsockname()[0])
    except OSError:
        return loopback


def is_this_machine(header: str, host: str) -> bool:
    """Return True if a Host header is an IP address, ``localhost``, or the ``host`` that the server listens on."""
    match = re.fullmatch(r"(?:\[([0-9a-f:.]+)\]|([\w.-]+))(?::\d+)?", header.lower())
    name = (match[1] or match[2]) if match else ""
    if name and name in ("localhost", host.lower()):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def show_in_browser(url: str) -> None:
    """Open ``url`` in a browser if there is a display. Without a display, some browsers would open in the terminal."""
    if sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        import webbrowser

        webbrowser.open(url)


def _cannot_listen(host: str, port: int, error: OSError | OverflowError) -> GanctlError:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        hint = "Stop the program that uses it, or choose a free port with --port 0."
        return GanctlError(f"Port {port} of {host} is in use.", hint)
    if number in (errno.EACCES, errno.EPERM):
        return GanctlError(f"Port {port} is privileged.", "Choose a port above 1023, or --port 0.")
    reason = getattr(error, "strerror", None) or error
    return GanctlError(f"Cannot listen on {host}, port {port}: {reason}.", "Try --host 127.0.0.1.")
