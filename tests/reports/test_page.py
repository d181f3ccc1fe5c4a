"""Test that the page, Markdown and figures of a report are complete, self-contained and safe with any name."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from helpers import fake_runs

import ganctl
from ganctl import GanctlError
from ganctl.reports import figures
from ganctl.reports.report import Report, report

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    "\"'`$x^2$ | *a* [b](http://evil.example) {{data}}"
)


class Page(HTMLParser):
    """Parse a page into tags with attributes, and the text of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self._in = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in == "script":
            self.scripts[-1] += data
        elif self._in != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def lr(value: float) -> dict[str, Any]:
    return {"g_optimizer": {"name": "adam", "lr": value}, "d_optimizer": {"name": "adam", "lr": value}}


def sweep(path: Path, **made: Any) -> list[Path]:
    return [
        fake_runs.make(path / f"{rate}-{size}", {**lr(rate), "batch_size": size}, **made)
        for rate in (1e-4, 2e-4)
        for size in (64, 128, 256)
    ]


def test_page_loads_no_external_files(tmp_path: Path) -> None:
    page = Page(report(*sweep(tmp_path)).html())
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert not re.search(
        r"@import|url\(", (Path(figures.__file__).parent / "assets" / "report.css").read_text()
    )
    (policy,) = [
        m["content"] or "" for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; img-src data:; ")
    digest = base64.b64encode(hashlib.sha256(page.scripts[-1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy, "otherwise, the browser would not run the script"
    assert "unsafe-inline" not in policy.split("script-src")[1]


def test_names_cannot_inject_markup(tmp_path: Path) -> None:
    nasty = {"data": {"name": "folder", "path": HOSTILE}, "model": HOSTILE}
    failed = {"state": "failed", "error": {"message": f"ValueError: {HOSTILE}", "hint": HOSTILE, "status": 1}}
    paths = [
        fake_runs.make(tmp_path / "a", nasty, status={"device": HOSTILE, "precision": HOSTILE}),
        fake_runs.make(
            tmp_path / HOSTILE.replace("/", "∕"),
            {"loss": {"name": HOSTILE}},
            metrics=[{"step": 25, "epoch": 1, HOSTILE: 1.0}],
            record=lambda s: {HOSTILE: 1.0},
            status=failed,
        ),
    ]
    made = report(*paths, title=HOSTILE)
    page = Page(made.html())
    assert len(page.scripts) == 2, "expected only the page's data and script"
    assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
    assert " ".join(HOSTILE.split()) in page.text
    data = json.loads(page.scripts[0])
    assert HOSTILE in data["runs"][0]["label"]
    assert HOSTILE in [chart["title"] for chart in data["charts"]]

    inner = Page(made._repr_html_())
    assert [tag for tag, _ in inner.tags] == ["iframe"], "a notebook shows the page in an iframe"

    (markdown, *images) = made.write(tmp_path / "report.md")
    text = markdown.read_text(encoding="utf-8")
    assert "<script" not in text
    assert not re.search(r"(?<!\\)\[b\]", text)
    shown = re.findall(r"(?:\]\(|src=\")(report_files/[^\")]+)", text)
    assert {tmp_path / name for name in shown} == set(images)
    for path in figures.write(made, tmp_path / "figures", "svg"):
        assert "<script" not in path.read_text(encoding="utf-8")


def test_settings_form_rows_and_columns_and_every_image_has_alt_text(tmp_path: Path) -> None:
    page = Page(report(*sweep(tmp_path)).html())
    heads = re.findall(r"(?:lr|batch size) [\de-]+", page.text)
    assert {"lr 1e-4", "lr 2e-4", "batch size 64", "batch size 256"} <= set(heads)
    images = page.all("img")
    assert len([i for i in images if i.get("data-run")]) == 6
    assert all(i.get("alt") is not None for i in images)
    assert len([i for i in images if i.get("data-real")]) == 1, "all runs share one set of reals"
    rows = [a for a in page.all("th") if a.get("scope") == "row"]
    assert len(rows) >= 3 + 6 + 6, "expected the matrix (for a portrait page), the settings and the runs"


def test_runs_are_listed_one_by_one_if_a_matrix_would_have_too_many_gaps(tmp_path: Path) -> None:
    pairs = [("a", 1), ("a", 2), ("b", 4), ("c", 8)]
    changes = [{"model": model, "batch_size": size} for model, size in pairs]
    made = report(*(fake_runs.make(tmp_path / f"{i}", change) for i, change in enumerate(changes)))
    assert len(made.axes) == 2
    assert [e.label for e in made.entries][:2] == ["a · batch size 1", "a · batch size 2"]
    assert "matrix" not in [a.get("class") for a in Page(made.html()).all("table")]


def test_every_run_has_samples_at_every_epoch(tmp_path: Path) -> None:
    page = Page(
        report(fake_runs.make(tmp_path / "a"), fake_runs.make(tmp_path / "b", {"seed": 1}, epochs=2)).html()
    )
    data = json.loads(page.scripts[0])
    assert data["epochs"] == [0, 1, 2, 3, 4]
    for run in data["runs"]:
        assert len(run["positions"]) == 5
        assert len(run["frames"]) + 1 == len(run["captions"]), "the last image is in the page"
        assert run["positions"][-1] == len(run["frames"])
    assert data["runs"][1]["captions"][-1] == "epoch 2 · step 50"
    (slider,) = [i for i in page.all("input") if i.get("id") == "epoch"]
    assert (slider["max"], slider["value"]) == ("4", "4")


def test_curves_have_points_on_every_axis_and_gaps_at_values_that_are_not_finite(tmp_path: Path) -> None:
    path = fake_runs.make(tmp_path / "a", record=lambda s: {"g_loss": "nan" if s == 10 else s / 10})
    data = json.loads(Page(report(path).html()).scripts[0])
    charts = {chart["title"]: chart for chart in data["charts"]}
    assert list(charts) == ["G loss", "D loss", "D(x) and D(G(z))"]
    (curve,) = charts["G loss"]["curves"]
    assert curve["y"][:3] == [0.5, None, 1.5]
    assert curve["x"]["step"][:2] == [5.0, 10.0]
    assert curve["x"]["epoch"][-1] == 4.0
    assert curve["x"]["minutes"][-1] == pytest.approx(50 / 60, rel=1e-3)
    assert charts["D(x) and D(G(z))"]["probability"] is True
    assert [c["dashed"] for c in charts["D(x) and D(G(z))"]["curves"]] == [False, True]


def test_curves_of_long_runs_have_few_points(tmp_path: Path) -> None:
    path = fake_runs.make(tmp_path / "a", steps=range(1, 5001))
    data = json.loads(Page(report(path).html()).scripts[0])
    (curve,) = data["charts"][0]["curves"]
    assert 200 < len(curve["y"]) <= 400
    assert curve["x"]["step"][-1] == 5000


def test_probabilities_and_unbounded_outputs_have_separate_charts(tmp_path: Path) -> None:
    raw = fake_runs.make(
        tmp_path / "b", {"loss": {"name": "wgan"}, "model": "wgan"}, record=lambda s: {"D(x)": 25.0}
    )
    data = json.loads(Page(report(fake_runs.make(tmp_path / "a"), raw).html()).scripts[0])
    outputs = [chart for chart in data["charts"] if chart["title"] == "D(x) and D(G(z))"]
    assert [(chart["probability"], {c["run"] for c in chart["curves"]}) for chart in outputs] == [
        (True, {0}),
        (False, {1}),
    ]


def test_tables_contain_metrics_speed_and_differing_settings(tmp_path: Path) -> None:
    scores = [{"step": 25 * e, "epoch": e, "swd": v} for e, v in ((1, 90.0), (2, 40.0), (3, 55.5))]
    paths = [
        fake_runs.make(tmp_path / "a", lr(1e-4), metrics=scores),
        fake_runs.make(tmp_path / "b", lr(3e-4)),
        fake_runs.make(tmp_path / "c", lr(3e-4) | {"seed": 1}),
    ]
    html = report(*paths).html()
    text = Page(html).text
    assert "55.5 (40)" in text
    assert "128" in text
    assert "0:50" in text
    assert re.findall(r"<mark>([^<]*)</mark>", html) == ["1e-4", "1"], (
        "only values that differ from the most common value are highlighted"
    )
    assert "swd" in [chart["title"] for chart in json.loads(Page(html).scripts[0])["charts"]]


def test_report_includes_empty_and_damaged_runs(tmp_path: Path) -> None:
    fake_runs.make(tmp_path / "runs" / "a")
    for name in ("empty", "damaged"):
        (tmp_path / "runs" / name).mkdir()
        (tmp_path / "runs" / name / "config.toml").write_text("" if name == "empty" else "model = ")
        (tmp_path / "runs" / name / "status.json").write_text('{"state": "waiting"}')
    for paths in ([tmp_path / "runs"], [tmp_path / "runs" / "empty"]):
        made = report(*paths)
        text = Page(made.html()).text
        assert "not started" in text
        made.write(tmp_path / "report.md")
    assert figures.write(made, tmp_path / "figures", "svg") == []
    assert len(report(tmp_path / "runs").entries) == 3


def test_report_of_a_sweep_uses_varied_settings_as_axes_and_shows_failures(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    varied = [{"batch_size": size, "lr": rate} for size in ("64", "128") for rate in ("1e-4", "2e-4")]
    names = []
    for values in varied:
        names.append(f"{values['batch_size']}-{values['lr']}")
        changed = {**lr(float(values["lr"])), "batch_size": int(values["batch_size"])}
        fake_runs.make(
            folder / names[-1],
            changed,
            **({"status": {"state": "waiting"}, "epochs": 0, "steps": ()} if len(names) > 2 else {}),
        )
    runs = [
        {"name": n, "values": v, "texts": v, "steps": 100, "images_per_step": 64}
        for n, v in zip(names, varied, strict=True)
    ]
    varying = {"batch_size": ["64", "128"], "lr": ["1e-4", "2e-4"]}
    (folder / "runs.json").write_text(json.dumps({"runs": runs, "varying": varying, "threads": 1}))
    (folder / "sweep.toml").write_text("model = 'gan'\n")
    (folder / "queue").mkdir()
    (folder / "queue" / f"{names[2]}.end").write_text('{"state": "failed", "message": "Out of memory."}')
    made = report(folder)
    assert [axis.name for axis in made.axes] == ["batch_size", "lr"]
    assert [e.history.state for e in made.entries] == ["finished", "finished", "failed", "waiting"]
    assert made.entries[2].findings[0].text == "The run failed at step 0 of 100: Out of memory."


def test_run_given_twice_is_shown_once(tmp_path: Path) -> None:
    path = fake_runs.make(tmp_path / "runs" / "a")
    made = report(path, tmp_path / "runs")
    assert [e.label for e in made.entries] == ["a"]
    assert made.title == "a"


def test_reports_of_equal_runs_are_equal(tmp_path: Path) -> None:
    paths = sweep(tmp_path)
    assert report(*paths).html() == report(*paths).html()


@pytest.mark.parametrize(
    ("change", "title"),
    [({"model": "wgan"}, "gan and wgan"), ({"batch_size": 8}, "batch size 64 and 8"), ({}, "2 runs")],
)
def test_default_title_describes_the_runs(tmp_path: Path, change: dict[str, Any], title: str) -> None:
    assert report(fake_runs.make(tmp_path / "a"), fake_runs.make(tmp_path / "b", change)).title == title


def test_invalid_arguments_raise_an_error(tmp_path: Path) -> None:
    with pytest.raises(GanctlError, match="no runs to report on"):
        report()
    with pytest.raises(GanctlError, match="does not exist"):
        report(tmp_path / "nowhere")
    made = report(fake_runs.make(tmp_path / "a"))
    assert isinstance(made, Report)
    with pytest.raises(GanctlError, match=r"a report must end in \.html or \.md"):
        made.write(tmp_path / "report.pdf")
    with pytest.raises(GanctlError, match="There is no folder"):
        made.write(tmp_path / "no" / "report.html")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.toml").write_text("")
    (tmp_path / "empty" / "status.json").write_text('{"state": "waiting"}')
    with pytest.raises(GanctlError, match="There are no samples yet"):
        report(ganctl.Run(tmp_path / "empty")).image()
    with pytest.raises(GanctlError, match="no figure format 'jpg'"):
        figures.write(made, tmp_path, "jpg")


def test_samples_of_a_checkpoint_equal_the_samples_saved_in_training(
    tiny_run: ganctl.Run, tmp_path: Path
) -> None:
    checkpoint = tiny_run.checkpoints[-1]
    copy = tmp_path / "copy.pt"
    copy.write_bytes(checkpoint.read_bytes())
    made = report(checkpoint, copy)
    inside, outside = made.entries
    assert inside.history.frames[-1].drawn == tiny_run.samples[-1].read_bytes()
    assert outside.history.frames[-1].drawn == tiny_run.samples[-1].read_bytes()
    assert len(inside.series.images) == len(tiny_run.samples)
    assert len(outside.series.images) == 1
    assert inside.history.losses == tiny_run.losses
    assert Page(made.html()).all("dialog")

    first = report(tiny_run.checkpoints[0]).entries[0].history
    assert 0 < first.losses[-1]["step"] <= first.frames[-1].step < tiny_run.losses[-1]["step"]


def test_run_and_sampler_are_displayed_in_a_notebook(tiny_run: ganctl.Run) -> None:
    page = Page(tiny_run._repr_html_())
    assert len(page.all("img")) == 2
    assert len(page.all("polyline")) == 4
    assert not page.scripts
    assert "finished" in page.text
    assert ganctl.load(tiny_run.path, device="cpu")._repr_png_().startswith(b"\x89PNG")
