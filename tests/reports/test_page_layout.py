"""The page of a report in a browser, if Chromium is installed: nothing overflows, and nothing covers a caption."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from helpers import fake_runs

from ganctl.reports.report import report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HEIGHT = 800
#: Scrolls through the page, uses the keyboard, and writes what was measured into the title of the outer page.
MEASURE = """
addEventListener("load", () => setTimeout(() => {
  const box = (node) => node.getBoundingClientRect(), player = document.getElementById("player");
  const root = document.documentElement, found = { covered: 0, keys: [] };
  root.style.scrollBehavior = "auto";
  for (let y = 0; y < root.scrollHeight; y += 20) {
    scrollTo(0, y);
    for (const cell of document.querySelectorAll(".cell")) {
      const caption = box(cell.querySelector("figcaption")), bar = box(player);
      const inView = box(cell).top >= 0 && caption.bottom <= innerHeight;
      if (inView && caption.top < bar.bottom && caption.bottom > bar.top) found.covered++;
    }
  }
  found.reachable = box(player).top >= 0 && box(player).bottom <= innerHeight;
  found.overflow = root.scrollWidth - root.clientWidth;
  const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  const zoom = document.querySelector(".zoom"), dialog = document.getElementById("zoom");
  zoom.focus();
  press("ArrowLeft");
  found.keys.push(document.getElementById("now").textContent);
  zoom.click();
  found.inDialog = dialog.contains(player) && box(player).top >= box(dialog).top && box(player).bottom <= innerHeight;
  press("ArrowLeft");
  found.keys.push(document.getElementById("now").textContent);
  dialog.close();
  setTimeout(() => {
    found.back = player.nextElementSibling.contains(document.querySelector(".cell"));
    parent.document.title = JSON.stringify(found);
  }, 100);
}, 100));
"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("axes", [1, 2])
def test_page_fits_and_the_slider_covers_no_caption(tmp_path: Path, width: int, axes: int) -> None:
    paths = [
        fake_runs.make(tmp_path / f"{model}-{size}", {"model": model, "batch_size": size})
        for model in ("wgan", "wgan-gp", "a-model-with-a-very-long-name-that-has-to-be-broken-into-lines")
        for size in (64, 128)[:axes]
    ]
    assert measure(report(*paths).html(), width, tmp_path) == {
        "covered": 0,
        "reachable": True,
        "overflow": 0,
        "keys": ["epoch 3", "epoch 2"],
        "inDialog": True,
        "back": True,
    }


def measure(page: str, width: int, folder: Path) -> dict[str, Any]:
    """Open a page in a frame, because the windows of Chromium are at least 500 pixels wide."""
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    page = page.replace("</body>", f"<script>{MEASURE}</script></body>")
    outer = folder / "outer.html"
    frame = (
        f'<iframe style="border:0" width="{width}" height="{HEIGHT}" srcdoc="{html.escape(page)}"></iframe>'
    )
    outer.write_text(f'<meta charset="utf-8"><title></title>{frame}', encoding="utf-8")
    assert CHROMIUM is not None
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000"]
    command = [
        CHROMIUM,
        *options,
        f"--user-data-dir={folder / 'profile'}",
        "--window-size=1400,900",
        "--dump-dom",
    ]
    done = subprocess.run([*command, outer.as_uri()], capture_output=True, text=True, timeout=120)
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(html.unescape(title[1]))
    return found
