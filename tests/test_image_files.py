"""Test that ganctl opens only images with a known format and a limited size."""

from __future__ import annotations

import ast
import io
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from helpers.in_process_cli import assert_error, run
from PIL import Image

from ganctl import image_files
from ganctl.image_files import FORMATS, open_image, read_image
from ganctl.runs import read_run
from ganctl.runs.folder import Run

ROOT = Path(__file__).parents[1]
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n"


def huge_png(side: int = 40_000) -> bytes:
    """Return a valid black PNG file with side×side pixels. The compressed file is small."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    compressor = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    rows = b"".join(compressor.compress(row) for _ in range(side)) + compressor.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
def no_ghostscript(monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*args: object, **kwargs: object) -> None:
        pytest.fail("an image started Ghostscript")

    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", started)


def test_eps_named_png_is_refused(tmp_path: Path, no_ghostscript: None) -> None:
    (tmp_path / "x.png").write_bytes(EPS)
    for source in (tmp_path / "x.png", str(tmp_path / "x.png"), io.BytesIO(EPS)):
        with pytest.raises(OSError, match="cannot identify"):
            open_image(source)


def test_eps_in_a_dataset_is_skipped(
    tmp_path: Path, no_ghostscript: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "x.png").write_bytes(EPS)
    result = run(capsys, "train", "--model", "gan", "--data", tmp_path / "images", "--steps", 1)
    assert_error(result, 3)


def test_too_many_pixels_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.png").write_bytes(huge_png())
    with pytest.raises(OSError, match="pixels"):
        open_image(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # some packages set this value
    with pytest.raises(OSError, match="40000×40000 pixels"):
        open_image(tmp_path / "x.png")


def test_formats_of_photographs_are_opened(tmp_path: Path) -> None:
    pixels = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    for name in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "TGA"):
        path = tmp_path / f"x.{name.lower()}"
        pixels.save(path, format=name)
        assert read_image(path).size == (8, 8)
        assert path.suffix in image_files.extensions()
    assert not {".eps", ".ps", ".wmf", ".pdf"} & image_files.extensions()
    assert not {"EPS", "WMF", "PSD", "FITS", "GRIB", "HDF5"} & set(FORMATS)


def test_damaged_image_is_an_os_error(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)).save(buffer, "PNG")
    for cut in (8, 20, 40, 100, 1000):
        with pytest.raises(OSError):  # noqa: PT011
            read_image(io.BytesIO(buffer.getvalue()[:cut]))


@pytest.mark.parametrize("content", [EPS, huge_png()], ids=["eps", "huge"])
@pytest.mark.parametrize("name", ["real.png", "samples"])
def test_images_in_a_run_folder_have_a_size_limit(
    name: str,
    content: bytes,
    tiny_run: Run,
    tmp_path: Path,
    no_ghostscript: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    copy = Run(shutil.copytree(tiny_run.path, tmp_path / "run"))
    bad = copy.real_file if name == "real.png" else copy.samples[-1]
    bad.write_bytes(content)
    assert run(capsys, "report", copy.path, "--out", tmp_path / "x.html").status == 0
    if name == "samples":
        with pytest.raises(OSError, match=r"pixels|identify"):
            read_run.read(copy.path).frames[-1].open()
        assert_error(run(capsys, "evolution", copy.path, "--out", tmp_path / "x.gif"), 1, bad.name)


def test_no_other_code_opens_images() -> None:
    for path in [*(ROOT / "ganctl").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]:
        if path.name == "image_files.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("open", "imread"):
                assert ast.unparse(node.value) not in ("Image", "Images", "PIL.Image", "plt", "pyplot"), path


HEADERS = {
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "JPEG XL": b"\xff\x0a" + bytes(30),
    "AVIF": b"\0\0\0\x18ftypavif\0\0\0\0mif1avif",
}


@pytest.fixture
def plain_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate Pillow without additional packages and without its AVIF codec."""
    Image.init()
    names = tuple(name for name in FORMATS if name != "AVIF" and name in Image.OPEN)
    known = {end for end, name in Image.registered_extensions().items() if name in names}
    monkeypatch.setattr(image_files, "_available", lambda: names)
    monkeypatch.setattr(image_files, "extensions", lambda: known)
    monkeypatch.setattr("ganctl_vision.folder.extensions", lambda: known)


@pytest.mark.parametrize(
    ("kind", "package"), [(kind, package) for kind, package in image_files.PACKAGES.values()]
)
def test_error_contains_the_package_for_a_format(
    kind: str, package: str, plain_pillow: None, tmp_path: Path
) -> None:
    """Some phones save HEIC files with the extension .jpg."""
    (tmp_path / "x.jpg").write_bytes(HEADERS[kind])
    for source in (tmp_path / "x.jpg", io.BytesIO(HEADERS[kind])):
        with pytest.raises(OSError, match=f"^{kind} needs the package {package}: pip install {package}$"):
            open_image(source)


def test_error_for_a_folder_of_other_formats_contains_the_packages(
    plain_pillow: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, kind in (("IMG_1.HEIC", "HEIC"), ("IMG_2.heic", "HEIC"), ("a.jxl", "JPEG XL")):
        (folder / name).write_bytes(HEADERS[kind])
    (folder / "notes.txt").write_text("")
    train = ("train", "--model", "gan", "--data", "./photos", "--steps", 1, "--batch-size", 2)
    result = run(capsys, *train)
    assert_error(
        result,
        3,
        f"No image in {folder} can be opened: 2 HEIC files, such as IMG_1.HEIC; 1 JPEG XL file, such as a.jxl.",
        "pip install pillow-heif pillow-jxl-plugin",
    )
    for i in range(4):
        Image.new("L", (28, 28), i).save(folder / f"{i}.png")
    result = run(capsys, *train)
    assert result.status == 0
    assert "Skipped 2 HEIC files, such as IMG_1.HEIC. To open them: pip install pillow-heif" in result.stderr
    assert "not images: 1 .txt." in result.stderr
