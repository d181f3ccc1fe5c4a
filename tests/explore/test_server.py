"""Test ``ganctl explore`` over HTTP, and its page in a browser if Chromium is installed."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import numpy as np
import pytest
import torch
from helpers.in_process_cli import run
from PIL import Image

import ganctl
from ganctl.explore.explorer import Explorer
from ganctl.explore.server import Server
from ganctl.rendering import grid
from ganctl.runs.folder import Run
from ganctl.sampling import latent_files

JSON = dict[str, Any]


@pytest.fixture(scope="module")
def sampler(tmp_path_factory: pytest.TempPathFactory) -> ganctl.Sampler:
    """Sampler of a conditional model, which uses every feature except codes."""
    out = tmp_path_factory.mktemp("explore") / "run"
    small = {"hidden": "16"}
    ganctl.train(
        "cgan", {"name": "glyphs", "n": 20}, out=out, steps=1, batch_size=4, samples=1, quiet=True,
        generator=small, discriminator=small, device="cpu",
    )  # fmt: skip
    return ganctl.load(out, device="cpu")


@pytest.fixture(scope="module")
def server(sampler: ganctl.Sampler) -> Iterator[Server]:
    with Server("127.0.0.1", 0) as server:
        explorer = Explorer(sampler, "x")
        thread = threading.Thread(target=server.serve, args=[explorer])
        thread.start()
        yield server
        server.shutdown()
        thread.join()
        explorer.close()


@pytest.fixture
def ask(server: Server) -> Iterator[Callable[..., tuple[int, bytes]]]:
    """``ask("GET", "/")``: send a request over one shared connection, like a browser; return status and body."""
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=30)

    def request(
        method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()

    yield request
    connection.close()


def image(response: bytes) -> np.ndarray:
    width, height = struct.unpack("<II", response[:8])
    return np.frombuffer(response[8:], np.uint8).reshape(height, width, 4)


def test_server_serves_the_page_and_its_files(ask: Callable[..., tuple[int, bytes]]) -> None:
    status, page = ask("GET", "/")
    assert status == 200
    for name in (b"/page.css", b"/page.js"):
        assert name in page
        assert ask("GET", name.decode())[0] == 200
    everything = page + ask("GET", "/page.css")[1] + ask("GET", "/page.js")[1]
    assert b"http://" not in everything.replace(b"http://www.w3.org/", b"")
    assert b"https://" not in everything  # the page loads nothing from other servers


def test_model_facts_are_served_as_json(ask: Callable[..., tuple[int, bytes]]) -> None:
    model = json.loads(ask("GET", "/model")[1])
    assert model["model"] == "cgan"
    assert model["image"] == [1, 28, 28]
    assert model["classes"] == list("0123456789")
    assert model["dim"] == model["spherical"] == 100
    assert len(model["dimensions"]) == 100
    changes = [dimension["change"] for dimension in model["dimensions"]]
    assert changes == sorted(changes, reverse=True)


def test_served_latents_and_samples_equal_the_samplers_output(
    ask: Callable[..., tuple[int, bytes]], sampler: ganctl.Sampler, tmp_path: Path
) -> None:
    status, z = ask("GET", "/latents?seed=7&n=3")
    assert status == 200
    assert np.frombuffer(z, "<f4").reshape(3, 100).tolist() == sampler.latents(3, seed=7).tolist()
    y = torch.tensor([5, 0, 9])
    expected = np.asarray(grid.grid(grid.to_uint8(sampler.sample(3, y=y, seed=7))))
    status, shown = ask("POST", "/image?y=5,0,9", z)
    assert status == 200
    assert (image(shown)[..., :3] == expected[..., None]).all()
    assert (image(shown)[..., 3] == 255).all()
    status, png = ask("POST", "/image.png?y=5,0,9", z)
    saved = np.asarray(Image.open(io.BytesIO(png)))
    scale = saved.shape[0] // expected.shape[0]
    assert min(saved.shape) >= 512
    assert (saved[::scale, ::scale] == expected).all()
    (tmp_path / "z.npz").write_bytes(ask("POST", "/latents.npz?y=5,0,9", z)[1])
    found = latent_files.read(tmp_path / "z.npz", dim=100, num_classes=10)
    assert torch.equal(found.z, sampler.latents(3, seed=7))
    assert found.y is not None
    assert torch.equal(found.y, y)


def test_single_sample_has_no_border(ask: Callable[..., tuple[int, bytes]]) -> None:
    z = ask("GET", "/latents?seed=7&n=1")[1]
    assert image(ask("POST", "/image?y=5", z)[1]).shape == (28, 28, 4)


def test_truncation_is_applied_to_samples(
    ask: Callable[..., tuple[int, bytes]], sampler: ganctl.Sampler
) -> None:
    z = np.frombuffer(ask("GET", "/latents?seed=7&n=2&truncation=0.5")[1], "<f4")
    assert z.tolist() == sampler.latents(2, seed=7, truncation=0.5).flatten().tolist()


ZEROS = bytes(400)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/page.html", None, 404),
        ("GET", "/../../etc/passwd", None, 404),
        ("GET", "//etc/passwd", None, 404),
        ("GET", "/image", None, 404),
        ("GET", "/latents?n=0", None, 400),
        ("GET", "/latents?n=65", None, 400),
        ("GET", "/latents?n=x", None, 400),
        ("GET", "/latents?seed=-1", None, 400),
        ("GET", "/latents?seed=4294967296", None, 400),
        ("GET", "/latents?truncation=0", None, 400),
        ("GET", "/latents?truncation=nan", None, 400),
        ("POST", "/", ZEROS, 404),
        ("POST", "/image", b"", 400),
        ("POST", "/image", ZEROS[1:], 400),
        ("POST", "/image", b"\xff\xff\xff\xff" * 100, 400),  # NaN
        ("POST", "/image?y=1,2", ZEROS, 400),
        ("POST", "/image?y=10", ZEROS, 400),
        ("POST", "/image?y=-1", ZEROS, 400),
        ("POST", "/latents.npz?y=x", ZEROS, 400),
        ("PUT", "/image", ZEROS, 501),
        ("OPTIONS", "/image", None, 501),
    ],
)
def test_invalid_requests_are_refused(
    method: str, path: str, body: bytes | None, status: int, ask: Callable[..., tuple[int, bytes]]
) -> None:
    assert ask(method, path, body)[0] == status
    assert ask("GET", "/latents?n=1")[0] == 200  # the next request succeeds


def test_too_large_requests_are_not_read(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=30) as connection:
        connection.sendall(b"POST /image HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")
        while connection.recv(4096):  # until the server closes the connection
            pass


def test_requests_from_other_pages_are_refused(ask: Callable[..., tuple[int, bytes]], server: Server) -> None:
    here = f"127.0.0.1:{server.server_port}"
    for headers in (
        {"Host": "evil.example"},  # DNS rebinding
        {"Host": f"evil.example:{server.server_port}"},
        {"Host": f"127.0.0.1.evil.example:{server.server_port}"},
        {"Host": "localhost@evil.example"},
        {"Host": here, "Origin": "http://evil.example"},
        {"Host": here, "Origin": "null"},
        {
            "Host": here,
            "Origin": f"http://127.0.0.1:{server.server_port + 1}",
        },  # a different server on this machine
        {"Host": here, "Sec-Fetch-Site": "cross-site"},
        {"Host": here, "Sec-Fetch-Site": "same-site"},
    ):
        assert ask("GET", "/model", None, headers)[0] == 403, headers
        assert ask("POST", "/image", ZEROS, headers)[0] == 403, headers
    for headers in (
        {"Host": here, "Origin": f"http://{here}", "Sec-Fetch-Site": "same-origin"},
        {"Host": "localhost:9000", "Origin": "http://localhost:9000"},  # through a tunnel
        {"Host": "[::1]:9000"},
    ):
        assert ask("POST", "/image", ZEROS, headers)[0] == 200, headers
    assert (
        ask("GET", "/", None, {"Host": here, "Sec-Fetch-Site": "cross-site"})[0] == 200
    )  # the user follows a link to the page
    assert ask("GET", "/", None, {"Host": "evil.example"})[0] == 403


def test_responses_have_security_headers(server: Server) -> None:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.request("GET", "/")
    response = connection.getresponse()
    response.read()
    connection.close()
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Access-Control-Allow-Origin"] is None


def test_simultaneous_requests_are_answered_correctly(server: Server, sampler: ganctl.Sampler) -> None:
    expected = grid.to_uint8(sampler.sample(1, y=torch.tensor([3]), seed=2))[0, 0].numpy()
    z = sampler.latents(1, seed=2).numpy().tobytes()
    wrong: list[Any] = []

    def work() -> None:
        connection = HTTPConnection("127.0.0.1", server.server_port, timeout=30)
        for _ in range(5):
            connection.request("POST", "/image?y=3", z)
            if not (image(connection.getresponse().read())[..., 0] == expected).all():
                wrong.append(1)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_error_in_the_network_is_reported(
    ask: Callable[..., tuple[int, bytes]], sampler: ganctl.Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> Any:
        raise RuntimeError("no")

    monkeypatch.setattr(sampler.G, "forward", broken)
    assert ask("POST", "/image", ZEROS) == (500, b"RuntimeError: no")
    monkeypatch.undo()
    assert ask("POST", "/image", ZEROS)[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_all_addresses_give_a_url_that_works(host: str, sampler: ganctl.Sampler) -> None:
    try:
        server = Server(host, 0)
    except ganctl.GanctlError:
        pytest.skip(f"this machine cannot listen on {host}")
    thread = threading.Thread(target=server.serve, args=(Explorer(sampler, "x"),))
    thread.start()
    try:
        url = urlsplit(server.url)
        assert url.hostname not in ("0.0.0.0", "::")
        assert server.is_public
        with urlopen(server.url + "model", timeout=30) as response:
            assert json.loads(response.read())["model"] == "cgan"
        with pytest.raises(HTTPError, match="403"):
            urlopen(Request(server.url + "model", headers={"Host": f"evil.example:{url.port}"}), timeout=30)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_loopback_addresses_are_not_public() -> None:
    for host in ("127.0.0.1", "localhost"):
        with Server(host, 0) as server:
            assert not server.is_public
            assert server.url.startswith(f"http://{host}:")


def test_public_page_is_announced(
    tiny_run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Server, "serve", lambda self, explorer: None)
    lines = run(
        capsys, "explore", "--ckpt", tiny_run.path, "--port", 0, "--no-browser", "-q", "--host", "0.0.0.0"
    ).stderr
    public, url = lines.splitlines()
    assert public == "Everyone on your network can open this page and use the generator."
    assert "0.0.0.0" not in url


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_the_command(tiny_run: Run) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "ganctl", "explore", "--ckpt", tiny_run.path, "--port", "0", "--no-browser", "-q"],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        # A shell without job control starts background jobs with SIGINT ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("http://127.0.0.1:")
        connection = HTTPConnection("127.0.0.1", int(line.split(":")[2].split("/")[0]), timeout=30)
        connection.request("GET", "/model")
        assert json.loads(connection.getresponse().read())["model"] == "gan"
        process.send_signal(signal.SIGINT)  # while a connection is open
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (0, "", "")


# ---- in a browser


def chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
    with playwright.sync_playwright() as started:
        try:
            options = ["--no-sandbox"] if sys.platform == "linux" and os.geteuid() == 0 else []
            opened = started.chromium.launch(executable_path=chromium(), args=options)
        except playwright.Error as error:
            pytest.skip(f"needs Chromium: {str(error).splitlines()[0]}")
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any, server: Server) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(server.url)
    page.locator("#speed", has_text="ms").wait_for()
    yield page
    assert errors == []
    context.close()


def shown_pixels(page: Any) -> np.ndarray:
    """Return the pixels of the large image after all requests have finished."""
    page.wait_for_timeout(50)
    page.evaluate("async () => { while (generating) await new Promise((done) => setTimeout(done, 5)) }")
    pixels = page.evaluate(
        "() => { const c = document.getElementById('image');"
        " return [c.height, c.width, ...c.getContext('2d').getImageData(0, 0, c.width, c.height).data] }"
    )
    return np.array(pixels[2:], np.uint8).reshape(pixels[0], pixels[1], 4)[..., 0]


def expected(sampler: ganctl.Sampler, z: torch.Tensor, y: list[int]) -> np.ndarray:
    x = grid.to_uint8(torch.cat(list(sampler.generate(z, torch.tensor(y)))))
    return x[0, 0].numpy() if len(x) == 1 else np.asarray(grid.grid(x))


def test_image_follows_the_sliders(page: Any, sampler: ganctl.Sampler) -> None:
    z = sampler.latents(1, seed=0)
    assert (shown_pixels(page) == expected(sampler, z, [0])).all()
    name, _ = sampler.rank_dimensions()[0]
    slider = page.locator(f"#dimension-{name}")
    for step in range(30):  # faster than G can generate samples
        slider.evaluate("(s, v) => { s.value = v; s.dispatchEvent(new Event('input')) }", step / 10)
    slider.focus()
    page.keyboard.press("ArrowRight")
    z[:, int(name) - 1] = 2.95
    assert (shown_pixels(page) == expected(sampler, z, [0])).all()
    page.locator("#class-chips label", has_text="7").click()  # the class
    assert (shown_pixels(page) == expected(sampler, z, [7])).all()
    slider.focus()
    page.keyboard.press("Delete")
    assert (shown_pixels(page) == expected(sampler, sampler.latents(1, seed=0), [7])).all()
    page.locator("#seed").fill("12")
    page.locator("#count label", has_text="9").click()
    assert (shown_pixels(page) == expected(sampler, sampler.latents(9, seed=12), [7] * 9)).all()


def test_pinned_samples_can_be_interpolated(page: Any, sampler: ganctl.Sampler, tmp_path: Path) -> None:
    page.keyboard.press("a")
    page.locator("#seed").fill("5")
    shown_pixels(page)
    page.locator("#image").click()
    page.keyboard.press("b")
    page.locator("#between").evaluate("s => { s.value = 0.25; s.dispatchEvent(new Event('input')) }")
    walk = sampler.interpolate([0, 5], steps=4)
    assert np.abs(shown_pixels(page).astype(int) - expected(sampler, walk.z[1:2], [0])).max() <= 1
    for button, name in (("Latents", "z.npz"), ("Image", "x.png")):
        with page.expect_download() as download:
            page.get_by_role("button", name=button).click()
        download.value.save_as(tmp_path / name)
    saved = latent_files.read(tmp_path / "z.npz", dim=100, num_classes=10)
    assert torch.allclose(saved.z, walk.z[1:2], atol=1e-5)
    large = np.asarray(Image.open(tmp_path / "x.png"))
    assert (large[::19, ::19] == shown_pixels(page)).all()
    page.locator("#pin-a .show").click()
    assert (shown_pixels(page) == expected(sampler, sampler.latents(1, seed=0), [0])).all()


def test_page_fits_a_phone(browser: Any, server: Server) -> None:
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
        page = context.new_page()
        page.goto(server.url)
        page.locator("#speed", has_text="ms").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        context.close()


def test_page_reports_that_the_server_has_stopped(browser: Any, sampler: ganctl.Sampler) -> None:
    with Server("127.0.0.1", 0) as server:
        explorer = Explorer(sampler, "x")
        thread = threading.Thread(target=server.serve, args=[explorer])
        thread.start()
        page = browser.new_page()
        page.goto(server.url)
        page.locator("#speed", has_text="ms").wait_for()
        page.route("**/image*", lambda route: route.abort())  # simulates a server that is not listening
        page.locator("#dimension-list input").first.fill("1")
        page.locator("#error", has_text="has ended").wait_for()
        page.close()
        server.shutdown()
        thread.join()
        explorer.close()
