"""Test figures for print: text remains text, sizes are exact, and lines are distinguishable, even in grayscale."""

from __future__ import annotations

import io
import re
import zlib
from pathlib import Path
from typing import Any

import pytest
from helpers import fake_runs
from matplotlib.figure import Figure
from PIL import Image

from ganctl.rendering.figure_style import COLORS, DASHED, MARKERS, SOLID
from ganctl.reports import figures
from ganctl.reports.figure_of_curves import GRAY, draw_curves
from ganctl.reports.figure_of_samples import SMALLEST, draw_samples
from ganctl.reports.report import Report, report

MANY_LINES = range(1, 101)


def make_report(tmp_path: Path, *models: str, epochs: tuple[float, ...] = (), **made: Any) -> Report:
    runs = [fake_runs.make(tmp_path / model, {"model": model}, **made) for model in models]
    return report(*runs, epochs=epochs)


def drawn(made: Report, **options: Any) -> dict[str, Figure]:
    return dict(figures.figures_of_curves(made, **options))


def legend(figure: Figure) -> dict[str, Any]:
    (found,) = figure.legends
    lines = zip(found.get_texts(), found.get_lines(), strict=True)
    return {text.get_text(): line for text, line in lines if text.get_text()}


def texts(svg: bytes) -> str:
    return " ".join(re.findall(r"<(?:text|tspan)[^>]*>([^<]+)<", svg.decode()))


@pytest.mark.parametrize("kind", figures.FORMATS)
def test_files_have_the_expected_names_and_are_equal_for_equal_runs(tmp_path: Path, kind: str) -> None:
    made = make_report(tmp_path, "a", "_$hidden")
    written = figures.write(made, tmp_path / "figures", kind)
    assert [p.name for p in written] == [f"{name}.{kind}" for name in ("losses", "d-outputs", "samples")]
    first = [path.read_bytes() for path in written]
    assert [path.read_bytes() for path in figures.write(made, tmp_path / "figures", kind)] == first


@pytest.mark.parametrize(("columns", "width"), [(1, 3.25), (2, 6.75)])
def test_figures_are_exactly_as_wide_as_one_or_two_columns(
    tmp_path: Path, columns: int, width: float
) -> None:
    made = make_report(tmp_path, "a", "b", epochs=(0, 2, 4))
    for path in figures.write(made, tmp_path / "pdf", "pdf", columns=columns):
        box = re.search(rb"/MediaBox \[ 0 0 ([0-9.]+) ", path.read_bytes())
        assert box
        assert float(box[1]) == pytest.approx(72 * width), path.name
    for path in figures.write(made, tmp_path / "svg", "svg", columns=columns):
        assert f'width="{72 * width:g}pt"' in path.read_text(), path.name
    for path in figures.write(made, tmp_path / "png", "png", columns=columns):
        assert Image.open(path).width == 300 * width, path.name


def test_text_in_figures_remains_text(tmp_path: Path) -> None:
    made = make_report(tmp_path, "wgan", "wgan-gp", steps=MANY_LINES)
    found = {p.stem: texts(p.read_bytes()) for p in figures.write(made, tmp_path / "figures", "svg")}
    for word in ("wgan-gp", "G loss", "D loss", "epoch", "loss", "before smoothing"):
        assert word in found["losses"]
    assert "wgan-gp" in found["samples"]
    assert "reals" in found["samples"]
    for path in figures.write(made, tmp_path / "figures", "pdf"):
        pdf = path.read_bytes()
        streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
        pages = [zlib.decompress(stream) for stream in streams if stream[:1] == b"x"]
        assert b"/FontFile2" in pdf, "an embedded TrueType font"
        assert b"/Type3" not in pdf, "publishers refuse Type 3 fonts"
        assert any(re.search(rb"\b(Tj|TJ)\b", page) for page in pages)


def test_fonts_are_readable_at_the_printed_size(tmp_path: Path) -> None:
    made = make_report(tmp_path, "a", "b")
    for figure in [*drawn(made).values(), draw_samples(made, 3.25)]:
        sizes = [text.get_fontsize() for text in figure.findobj(lambda o: hasattr(o, "get_fontsize"))]
        assert sizes
        assert all(8 <= size <= 9 for size in sizes)


def test_legend_explains_solid_and_dashed_lines(tmp_path: Path) -> None:
    for models in (("a",), ("a", "b")):
        made = make_report(tmp_path / str(len(models)), *models)
        for name, (solid, dashed) in {
            "losses": ("G loss", "D loss"),
            "d-outputs": ("D(x)", "D(G(z))"),
        }.items():
            entries = legend(drawn(made)[name])
            assert set(entries) == {*(models if len(models) > 1 else ()), solid, dashed, "before smoothing"}
            assert entries[solid].get_linestyle() == SOLID
            assert entries[dashed]._unscaled_dash_pattern == DASHED


def test_lines_can_be_distinguished_in_color_and_in_gray(tmp_path: Path) -> None:
    made = make_report(tmp_path, *(f"model-{i}" for i in range(9)), steps=MANY_LINES)
    entries = [line for label, line in legend(drawn(made)["losses"]).items() if label.startswith("model")]
    assert len({line.get_marker() for line in entries}) == len(MARKERS) == len(COLORS)
    assert len({(line.get_color(), line.get_marker()) for line in entries}) == 9
    for figure in drawn(made).values():
        for axes in figure.axes:
            assert {line.get_color() for line in axes.lines} <= {*COLORS, GRAY}

    one = drawn(make_report(tmp_path / "one", "a"))["losses"]
    assert len({(line.get_color(), line.is_dashed()) for line in legend(one).values()}) == 3


def test_many_runs_have_one_panel_per_quantity(tmp_path: Path) -> None:
    three = drawn(make_report(tmp_path / "three", *"abc"))["losses"]
    four = drawn(make_report(tmp_path / "four", *"abcd"))["losses"]
    assert [axes.get_ylabel().split("\n")[0] for axes in three.axes] == ["loss"]
    assert [axes.get_ylabel().split("\n")[0] for axes in four.axes] == ["G loss", "D loss"]
    assert not any(line.is_dashed() for axes in four.axes for line in axes.lines)


def test_chart_of_one_of_several_runs_contains_its_name(tmp_path: Path) -> None:
    paths = [
        fake_runs.make(tmp_path / "a", {"model": "a"}),
        fake_runs.make(tmp_path / "b", {"model": "b"}, record=lambda s: {"D(x)": 9.0}),
    ]
    found = drawn(report(*paths))
    assert list(found) == ["losses", "d-outputs", "d-outputs-raw"]
    assert "a" in legend(found["d-outputs"])
    assert "b" in legend(found["d-outputs-raw"])


def test_figures_state_the_smoothing(tmp_path: Path) -> None:
    made = make_report(tmp_path, "a", steps=MANY_LINES)
    smoothed, unsmoothed = (drawn(made, smoothing=weight)["losses"] for weight in (0.9, 0))
    assert smoothed.axes[0].get_ylabel() == "loss\n(EMA, weight 0.9)"
    assert "before smoothing" in legend(smoothed)
    assert len(smoothed.axes[0].lines) == 4
    assert unsmoothed.axes[0].get_ylabel() == "loss"
    assert "before smoothing" not in legend(unsmoothed)
    assert len(unsmoothed.axes[0].lines) == 2

    long = make_report(tmp_path / "long", "a", steps=range(1, 1201))
    assert drawn(long, smoothing=0)["losses"].axes[0].get_ylabel() == "loss\n(means of 3 lines)"


def test_horizontal_axis_is_labeled_with_its_unit(tmp_path: Path) -> None:
    assert drawn(make_report(tmp_path, "a"))["losses"].axes[0].get_xlabel() == "epoch"
    without = make_report(tmp_path / "no", "a", record=lambda s: {"epoch": 0.0}, status={"images": None})
    assert drawn(without)["losses"].axes[0].get_xlabel() == "step"


def test_samples_show_the_selected_epochs(tmp_path: Path) -> None:
    made = make_report(tmp_path, "a", "b", epochs=(3, 0, 2))
    figure = draw_samples(made, 3.25)
    titles = [text.get_text() for text in figure.texts]
    assert [t for t in titles if t.startswith("epoch")] == ["epoch 0", "epoch 2", "epoch 3"]
    assert [t for t in titles if t in ("a", "b")] == ["a", "b"]
    images = [axes.images[0].get_array() for axes in figure.axes]
    assert len(images) == 7, "expected three epochs of two runs, and reals"
    expected = [fake_runs.grid(epoch) for epoch in (0, 2, 3)]
    for shown, image in zip(images, expected, strict=False):
        scale = shown.shape[1] // image.width
        assert Image.fromarray(shown[::scale, ::scale]).tobytes() == image.tobytes()

    newest = draw_samples(make_report(tmp_path / "new", "a"), 3.25).axes[0].images[0].get_array()
    assert Image.fromarray(newest[::scale, ::scale]).tobytes() != expected[-1].tobytes()


def test_images_in_print_are_enlarged_by_whole_pixels(tmp_path: Path) -> None:
    made = make_report(tmp_path, "a")
    shown = draw_samples(made, 3.25).axes[0].images[0].get_array()
    side = 3.25 / 2
    assert shown.shape[1] / side >= 295, "dots per inch"
    assert shown.shape[1] % fake_runs.grid(0).width == 0


def test_small_images_are_omitted_until_the_rest_are_large_enough(tmp_path: Path) -> None:
    run = fake_runs.make(tmp_path / "a", status={"image": [1, 4, 4], "grid": [30, 30]})
    for path in (run / "samples").iterdir():
        fake_runs.grid(1, size=4, n=900).save(path)
    figure = draw_samples(report(run), 3.25)
    shown = figure.axes[0].images[0].get_array()
    side = figure.axes[0].get_position().width * 3.25
    across = int(side / SMALLEST)
    assert shown.shape[1] % (across * 6 + 2) == 0, "not the width of whole 4-pixel images with 2-pixel gaps"


def test_figures_equal_the_figures_in_the_report(tmp_path: Path) -> None:
    made = make_report(tmp_path, "a")
    assert made.image(dpi=100).width == 675
    buffer = io.BytesIO()
    made.image(dpi=50).save(buffer, "PNG")
    assert buffer.getvalue()


def test_curves_with_no_or_one_point_are_drawn(tmp_path: Path) -> None:
    made = make_report(tmp_path, "a", steps=[5], record=lambda s: {"g_loss": float("nan")})
    from ganctl.reports.curves import charts

    for chart in charts([entry.history for entry in made.entries]):
        assert draw_curves(chart, ["a"], 3.25, 0.6).axes
