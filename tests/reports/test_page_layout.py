"""Test the report page in a browser: no element overflows, and no element covers a caption."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import fake_runs
from helpers.chromium import chromium

from ganctl.reports.report import report

#: Counts captions that are covered by the player while their samples are visible, at all scroll positions.
COVERED = """(() => {
  const box = (node) => node.getBoundingClientRect();
  document.documentElement.style.scrollBehavior = "auto";
  let covered = 0;
  for (let y = 0; y < document.documentElement.scrollHeight; y += 20) {
    scrollTo(0, y);
    const bar = box(document.getElementById("player"));
    for (const cell of document.querySelectorAll(".cell")) {
      const caption = box(cell.querySelector("figcaption"));
      const inView = box(cell).top >= 0 && caption.bottom <= innerHeight;
      if (inView && caption.top < bar.bottom && caption.bottom > bar.top) covered++;
    }
  }
  return covered;
})()"""
VISIBLE = """(() => {
  const bar = document.getElementById("player").getBoundingClientRect();
  return bar.top >= 0 && bar.bottom <= innerHeight;
})()"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SHOWN = "document.getElementById('now').textContent"
LEFT = """document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }))"""


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("axes", [1, 2])
def test_page_fits_and_the_slider_covers_no_caption(tmp_path: Path, width: int, axes: int) -> None:
    paths = [
        fake_runs.make(tmp_path / f"{model}-{size}", {"model": model, "batch_size": size})
        for model in ("wgan", "wgan-gp", "a-model-with-a-very-long-name-that-has-to-be-broken-into-lines")
        for size in (64, 128)[:axes]
    ]
    (page,) = report(*paths).write(tmp_path / "report.html")
    with chromium(tmp_path / "profile") as browser:
        browser.open(page.as_uri(), width=width, height=800)
        assert browser.run(OVERFLOW) == 0
        assert browser.run(COVERED) == 0
        assert browser.run(VISIBLE), "the slider must be reachable at the end of the page"

        browser.run("document.querySelector('.zoom').focus()")
        browser.run(LEFT)
        assert browser.run(SHOWN) == "epoch 3"
        browser.run("document.activeElement.click()")
        browser.run(LEFT)
        assert browser.run(SHOWN) == "epoch 2"
        assert browser.run("document.getElementById('zoom').contains(document.getElementById('player'))")
        assert browser.run(VISIBLE)
        browser.run("document.getElementById('zoom').close()")
        browser.wait("document.querySelector('.samples > #player')")
        assert browser.errors == []
