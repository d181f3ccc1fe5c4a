"""Test the live page of runs over HTTP, and in a browser if Chromium is installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers import fake_runs
from helpers.chromium import Page, chromium

from ganctl import GanctlError
from ganctl.cli.watch import watch
from ganctl.reports import live_page
from ganctl.reports.live_page import LivePage, LiveServer
from ganctl.runs.folder import Run


def running(path: Path, steps: int = 50) -> Path:
    """Create a run that is at step ``steps`` of 100."""
    return fake_runs.make(
        path, steps=range(5, steps + 1, 5), epochs=steps // 25, status={"state": "running", "step": steps}
    )


def advance(path: Path, to: int, state: str = "running") -> None:
    """Replace the run at ``path`` with the same run at step ``to``, one file at a time."""
    fresh = fake_runs.make(
        path.parent / ".fresh",
        steps=range(5, to + 1, 5),
        epochs=to // 25,
        status={"state": state, "step": to},
    )
    for file in sorted(fresh.rglob("*")):
        if file.is_file():
            os.replace(file, path / file.relative_to(fresh))
    shutil.rmtree(fresh)


@contextmanager
def served(folder: Path, seconds: float = 0.1) -> Iterator[LiveServer]:
    with LiveServer(LivePage(folder, seconds), 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(server: LiveServer, path: str, **headers: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body


def version(html: str) -> str:
    found = re.search(r'data-version="([^"]+)"', html)
    assert found
    return found[1]


def state(html: str) -> str:
    found = re.search(r'id="live"[^>]*>(.*?)</p>', html)
    assert found
    return re.sub("<[^>]+>", "", found[1])


@pytest.fixture(autouse=True)
def _no_idle_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_page, "IDLE", 0)


def test_page_is_sent_again_only_after_the_run_has_changed(tmp_path: Path) -> None:
    path = running(tmp_path / "run")
    with Run(path).lock(), served(path) as server:
        status, first = ask(server, "/")
        assert (status, state(first)) == (200, "running step 50 of 100 · epoch 2.00 · 0:25 left")
        assert ask(server, f"/update?version={version(first)}") == (204, "")
        advance(path, 75)
        status, second = ask(server, f"/update?version={version(first)}")
        assert (status, state(second)) == (200, "running step 75 of 100 · epoch 3.00 · 0:12 left")
        assert ask(server, f"/update?version={version(second)}") == (204, "")
        assert ask(server, "/update?version=another-server")[0] == 200


def test_page_shows_how_the_run_ended(tmp_path: Path) -> None:
    path = running(tmp_path / "run")
    with served(path) as server:
        assert state(ask(server, "/")[1]).startswith("killed step 50"), "no process holds the lock"
        with Run(path).lock():
            assert state(ask(server, "/")[1]).startswith("running step 50"), "no file has changed"
        for end in ("stopped", "failed", "finished"):
            advance(path, 100, end)
            assert state(ask(server, "/")[1]).startswith(f"{end} step 100")
        assert ask(server, "/")[0] == 200


def test_page_of_several_runs_counts_their_states(tmp_path: Path) -> None:
    running(tmp_path / "1")
    with served(tmp_path) as server:
        assert state(ask(server, "/")[1]).startswith("killed step 50")
        for name in ("2", "3"):
            fake_runs.make(tmp_path / name)
        status, html = ask(server, "/")
        assert (status, state(html)) == (200, "2 finished 1 killed")
        assert html.count('<figure class="cell">') == 3


def test_server_keeps_running_if_files_disappear_or_are_incomplete(tmp_path: Path) -> None:
    path = running(tmp_path / "run")
    with served(path) as server:
        first = ask(server, "/")[1]
        path.rename(tmp_path / "gone")
        status, text = ask(server, f"/update?version={version(first)}")
        assert status == 503
        assert text == f"{path} does not exist. The page shows the last readable values."
        assert ask(server, "/") == (200, first)
        (tmp_path / "gone").rename(path)
        (path / "status.json").write_text('{"state":')
        assert ask(server, f"/update?version={version(first)}")[0] == 503
        newest = path / "samples" / "epoch-0002-step-00000050.png"
        newest.write_bytes(newest.read_bytes()[:100])
        (path / "losses.jsonl").write_text('{"step": 5, "epoch": 0.2, "g_loss": 1.0}\n{"ste')
        advance(path, 100, "finished")
        assert state(ask(server, "/update")[1]).startswith("finished step 100")


def test_page_is_not_rendered_again_until_the_cpu_has_been_idle_long_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = running(tmp_path / "run")
    monkeypatch.setattr(live_page, "IDLE", 1e6)
    live = LivePage(path, 2)
    advance(path, 75)
    assert live.newest() is live.last
    assert state(live.newest().html.decode()).startswith("killed step 50")


def test_watching_writes_nothing_to_the_run(tmp_path: Path) -> None:
    path = running(tmp_path / "run")
    before = {file: file.stat().st_mtime_ns for file in (path, *path.rglob("*"))}
    with served(path) as server:
        ask(server, "/")
        ask(server, "/update")
    assert {file: file.stat().st_mtime_ns for file in (path, *path.rglob("*"))} == before


def test_requests_from_other_pages_are_refused(tmp_path: Path) -> None:
    with served(running(tmp_path / "run")) as server:
        assert ask(server, "/", Host="evil.example")[0] == 403
        assert ask(server, "/update", Origin="http://evil.example")[0] == 403
        assert ask(server, "/update", **{"Sec-Fetch-Site": "cross-site"})[0] == 403
        assert ask(server, "/config.toml")[0] == 404
        assert ask(server, "/../config.toml")[0] == 404


def test_page_loads_nothing_from_other_servers(tmp_path: Path) -> None:
    with served(running(tmp_path / "run")) as server:
        html = ask(server, "/")[1]
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy
    assert "connect-src &#x27;self&#x27;" in policy[1]
    assert not re.search(r"https?://(?!www\.w3\.org/)", html)


def test_name_of_a_run_is_escaped(tmp_path: Path) -> None:
    path = running(tmp_path / "<b>bold")
    status = {"state": "failed", "error": {"message": "<i>odd</i>", "hint": "", "status": 1}}
    (path / "status.json").write_text(json.dumps({**fake_runs.STATUS, **status}))
    html = LivePage(path, 2).last.html.decode()
    assert "<b>bold" not in html
    assert "<i>odd" not in html
    assert "&lt;i&gt;odd" in html


def test_folder_without_runs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GanctlError, match="contains no run folders"):
        LivePage(tmp_path, 2)
    done = CliRunner().invoke(watch, ["--web", "--once", str(running(tmp_path / "run"))])
    assert (done.exit_code, "--once and --web cannot be combined" in done.output) == (2, True)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_command_serves_without_torch_until_ctrl_c(tmp_path: Path) -> None:
    path = running(tmp_path / "run")
    code = (
        "import sys; from ganctl.cli.watch import watch; watch(standalone_mode=False); "
        "print('torch' in sys.modules)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "--web", path, "--port", "0", "--no-browser"],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        # A shell without job control starts background jobs with SIGINT ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("http://127.0.0.1:")
        connection = HTTPConnection("127.0.0.1", int(line.split(":")[2].split("/")[0]), timeout=30)
        connection.request("GET", "/")
        assert "killed" in connection.getresponse().read().decode()
        process.send_signal(signal.SIGINT)  # while a connection is open
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (0, "False\n", "")


# ---- in a browser

LIVE = "document.getElementById('live').textContent"
SHOWN = "document.getElementById('now').textContent"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("chromium")) as page:
        yield page


@pytest.mark.parametrize("width", [1280, 390])
def test_page_in_a_browser_shows_new_results(browser: Page, tmp_path: Path, width: int) -> None:
    path = running(tmp_path / "run")
    with Run(path).lock(), served(path) as server:
        browser.open(server.url, width=width)
        assert browser.run(SHOWN) == "epoch 2"
        assert browser.run("document.documentElement.scrollWidth") <= width
        advance(path, 75)
        browser.wait(f"{LIVE}.startsWith('running step 75')")
        assert browser.run(SHOWN) == "epoch 3", "the newest samples are shown"
        assert browser.run("document.querySelector('img[data-run]').complete")
        advance(path, 100, "finished")
        browser.wait(f"{LIVE}.startsWith('finished step 100')")
        assert browser.run(SHOWN) == "epoch 4"
        assert "epoch 4 · step 100" in browser.run("document.querySelector('.caption[data-run]').textContent")
    assert browser.errors == []


def test_update_does_not_change_the_view_in_a_browser(browser: Page, tmp_path: Path) -> None:
    path = running(tmp_path / "run")
    view = (
        "[document.getElementById('epoch').value, document.getElementById('smoothing').value, "
        "document.getElementById('axis').value, scrollY, document.querySelector('details').open, "
        "document.activeElement.id, document.getElementById('zoom').open]"
    )
    with Run(path).lock(), served(path) as server:
        browser.open(server.url, height=600)
        browser.run(
            "(() => { const set = (id, value, name) => { const node = document.getElementById(id); "
            "node.value = value; node.dispatchEvent(new Event(name)); }; "
            "set('epoch', 1, 'input'); set('smoothing', 0.3, 'input'); set('axis', 'step', 'change'); "
            "document.querySelector('details').open = false; document.getElementById('epoch').focus(); "
            "scrollTo({ top: 321, behavior: 'instant' }); })()"
        )
        before = browser.run(view)
        assert before == ["1", "0.3", "step", 321, False, "epoch", False]
        advance(path, 75)
        browser.wait(f"{LIVE}.startsWith('running step 75')")
        assert browser.run(view) == before
        assert browser.run(SHOWN) == "epoch 1"
        browser.run("document.querySelector('.zoom').click()")
        advance(path, 100)
        browser.wait(f"{LIVE}.startsWith('running step 100')")
        assert browser.run("document.getElementById('zoom').open")
        assert browser.run("document.getElementById('zoom-caption').textContent") == "epoch 1 · step 25"
        browser.run("document.querySelector('#zoom button').click()")
        browser.wait("document.querySelectorAll('.samples > #player').length === 1", seconds=5)
        # Each listener is registered only once, so one key press moves one epoch.
        browser.run(
            "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true}))"
        )
        assert browser.run(SHOWN) == "epoch 2"
    assert browser.errors == []


def test_page_in_a_browser_reports_that_updates_have_stopped(browser: Page, tmp_path: Path) -> None:
    path = running(tmp_path / "run")
    problem = "document.getElementById('problem').textContent"
    with served(path) as server:
        browser.open(server.url)
        path.rename(tmp_path / "gone")
        browser.wait(f"{problem}.includes('does not exist')")
        (tmp_path / "gone").rename(path)
        browser.wait("document.getElementById('problem').hidden")
        network = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        browser.call("Network.emulateNetworkConditions", offline=True, **network)
        browser.wait(f"{problem}.startsWith('Not connected.')")
        browser.call("Network.emulateNetworkConditions", offline=False, **network)
        browser.wait("document.getElementById('problem').hidden")
    browser.errors.clear()  # errors of the failed requests
