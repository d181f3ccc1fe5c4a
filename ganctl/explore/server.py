"""Serve the page of ``ganctl explore`` and the explorer's responses to its requests."""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path

from ganctl.explore.explorer import MAX_SAMPLES, Explorer
from ganctl.system.web_server import POLICY, PageHandler, WebServer

HERE = Path(__file__).parent
PAGE = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}


class Server(WebServer):
    """Server of the page. It handles requests once ``serve`` is called.

    Raises:
        GanctlError: the server cannot listen on this host and port.
    """

    explorer: Explorer

    def __init__(self, host: str, port: int) -> None:
        self.page = {path: ((HERE / name).read_bytes(), kind) for path, (name, kind) in PAGE.items()}
        super().__init__(host, port, Handler)

    def serve(self, explorer: Explorer) -> None:
        """Handle requests until another thread calls ``shutdown``."""
        self.explorer = explorer
        self.serve_forever(poll_interval=0.1)


class Handler(PageHandler):
    """Handle the requests of the page."""

    server: Server
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        f"img-src 'self' blob: data:; {POLICY}"
    )

    def do_GET(self) -> None:  # noqa: N802 (a name of http.server)
        path, query = self.parse_path()
        if not self.check_origin(path):
            return
        if path in self.server.page:
            self.send_body(*self.server.page[path])
        elif path == "/model":
            self.respond("application/json", lambda: json.dumps(self.server.explorer.model()).encode())
        elif path == "/latents":
            truncation = query.get("truncation")
            self.respond(
                "application/octet-stream",
                lambda: self.server.explorer.latents(
                    int(query.get("n", "1")),
                    int(query.get("seed", "0")),
                    float(truncation) if truncation else None,
                ),
            )
        else:
            self.send_message(HTTPStatus.NOT_FOUND, "Not found.")

    def do_POST(self) -> None:  # noqa: N802
        path, query = self.parse_path()
        body = self._body()
        if body is None or not self.check_origin(path):
            return
        classes, given = query.get("y", ""), query.get("options", "")
        if path == "/image":
            self.respond(
                "application/octet-stream", lambda: self.server.explorer.pixels(body, classes, given)
            )
        elif path == "/image.png":
            self.respond("image/png", lambda: self.server.explorer.png(body, classes, given))
        elif path == "/latents.npz":
            self.respond("application/octet-stream", lambda: self.server.explorer.archive(body, classes))
        else:
            self.send_message(HTTPStatus.NOT_FOUND, "Not found.")

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        limit = MAX_SAMPLES * 4 * self.server.explorer.sampler.latent.dim
        if not length.isdecimal() or int(length) > limit:
            self.close_connection = True  # because the body is not read
            self.send_message(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Send a Content-Length of at most {limit} bytes."
            )
            return None
        return self.rfile.read(int(length))
