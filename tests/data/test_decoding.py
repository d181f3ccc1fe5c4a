from __future__ import annotations

import io
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganctl.data.decoding import decode, to_array


def gradient(height: int = 16, width: int = 16) -> np.ndarray:
    return np.linspace(0, 255, height * width).reshape(height, width).round().astype(np.uint8)


def reopened(image: Image.Image, kind: str, **options: object) -> Image.Image:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return Image.open(io.BytesIO(file.getvalue()))


def test_gray_and_color_images_keep_their_pixels() -> None:
    gray = gradient()
    assert np.array_equal(to_array(reopened(Image.fromarray(gray), "PNG"), 16), gray[None])
    color = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert np.array_equal(to_array(reopened(Image.fromarray(color), "PNG"), 16), color.transpose(2, 0, 1))
    assert np.array_equal(to_array(reopened(Image.fromarray(color), "PNG"), None), color.transpose(2, 0, 1))


def test_number_of_channels_can_be_set() -> None:
    gray = Image.fromarray(gradient())
    assert np.array_equal(to_array(gray, 16, 3), np.stack([gradient()] * 3))
    color = Image.new("RGB", (4, 4), (255, 0, 0))
    assert to_array(color, None, 1).tolist() == [[[76] * 4] * 4]  # ITU-R 601: 0.299 × 255


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_images_are_scaled_and_not_clipped(kind: str) -> None:
    deep = (gradient().astype(np.uint16)) * 257
    assert np.array_equal(to_array(reopened(Image.fromarray(deep), kind), 16), gradient()[None])


def test_16_bit_images_in_a_32_bit_mode_are_scaled() -> None:
    # A dark 16-bit image stays dark, because its range is not stretched.
    dark = Image.fromarray(np.full((2, 2), 2570, np.int32))
    assert dark.mode == "I"
    assert to_array(dark, None).tolist() == [[[10, 10], [10, 10]]]
    pgm = b"P5 2 1 65535\n" + np.array([0, 65535], ">u2").tobytes()
    assert to_array(Image.open(io.BytesIO(pgm)), None).tolist() == [[[0, 255]]]


def test_float_images_are_scaled_by_their_range() -> None:
    unit = Image.fromarray(np.array([[0, 0.5, 1]], np.float32))
    assert to_array(unit, None).tolist() == [[[0, 128, 255]]]
    byte = Image.fromarray(np.array([[0, 128, np.nan]], np.float32))
    assert to_array(byte, None).tolist() == [[[0, 128, 0]]]


def test_transparent_areas_become_white() -> None:
    rgba = Image.new("RGBA", (3, 1), (255, 0, 0, 255))
    rgba.putpixel((1, 0), (255, 0, 0, 0))
    rgba.putpixel((2, 0), (0, 0, 0, 128))
    assert to_array(reopened(rgba, "PNG"), None)[:, 0].T.tolist() == [[255, 0, 0], [255, 255, 255], [127] * 3]
    la = Image.new("LA", (2, 1), (40, 255))
    la.putpixel((1, 0), (40, 0))
    assert to_array(reopened(la, "PNG"), None).tolist() == [[[40, 255]]]


def test_palette_images_become_gray_or_rgb() -> None:
    color = Image.new("RGB", (2, 1), (10, 200, 30))
    assert to_array(reopened(color.quantize(4), "PNG"), None)[:, 0, 0].tolist() == [10, 200, 30]
    gray = Image.new("P", (2, 1))
    gray.putpalette([0, 0, 0, 90, 90, 90])
    gray.putpixel((1, 0), 1)
    assert to_array(reopened(gray, "PNG"), None).tolist() == [[[0, 90]]]
    transparent = reopened(gray, "PNG", transparency=1)
    assert "transparency" in transparent.info
    assert to_array(transparent, None)[:, 0, 1].tolist() == [255, 255, 255]


def test_transparent_color_becomes_white() -> None:
    image = reopened(Image.new("RGB", (1, 1), (1, 2, 3)), "PNG", transparency=(1, 2, 3))
    assert to_array(image, None)[:, 0, 0].tolist() == [255, 255, 255]


def test_one_bit_and_cmyk_images_are_converted() -> None:
    bits = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    assert to_array(reopened(bits, "PNG"), None).tolist() == [[[0, 255]]]
    cmyk = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    red = to_array(reopened(cmyk, "TIFF"), None)[:, 4, 4]
    assert red[0] > 200
    assert red[1:].max() < 60


def test_exif_rotation_is_applied() -> None:
    image = Image.fromarray(gradient(4, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90° clockwise
    rotated = to_array(reopened(image, "PNG", exif=exif), None)
    assert np.array_equal(rotated[0], np.rot90(gradient(4, 8), -1))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_image_with_damaged_exif_is_decoded() -> None:
    image = reopened(Image.new("L", (8, 8), 7), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff garbage")
    assert to_array(image, None).shape == (1, 8, 8)


def test_first_frame_of_an_animation_is_used() -> None:
    frames = [Image.new("L", (4, 4), value) for value in (10, 200)]
    image = reopened(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert image.n_frames == 2
    assert set(to_array(image, None).flatten().tolist()) == {10}


def test_largest_centered_square_is_resized() -> None:
    wide = np.zeros((10, 30), np.uint8)
    wide[:, 10:20] = 255  # the middle third is the centered square
    assert to_array(Image.fromarray(wide), 10).tolist() == [[[255] * 10] * 10]
    out = to_array(Image.fromarray(wide), 5)
    assert out.shape == (1, 5, 5)
    assert out.min() > 200
    assert to_array(Image.new("L", (3, 50_000), 9), 64).shape == (1, 64, 64)


def test_downscaling_is_antialiased() -> None:
    checks = np.indices((64, 64)).sum(0) % 2 * 255
    out = to_array(Image.fromarray(checks.astype(np.uint8)), 8)
    assert abs(out.astype(int) - 127).max() < 12  # nearly uniform gray without a moiré pattern


def test_large_jpegs_are_decoded_at_a_fraction_of_their_size() -> None:
    y, x = np.mgrid[0:1024, 0:1024] / 1024
    smooth = Image.fromarray((127 + 120 * np.sin(9 * x) * np.cos(7 * y)).astype(np.uint8))
    full = to_array(smooth, 64).astype(int)
    image = reopened(smooth, "JPEG", quality=95)
    assert abs(to_array(image, 64).astype(int) - full).max() <= 4
    assert image.size == (128, 128)


def test_unreadable_files_are_reported_with_the_error(tmp_path: Path) -> None:
    good = Image.fromarray(gradient(64, 64))
    good.save(tmp_path / "good.png")
    good.save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "empty.png").touch()
    png = bytearray((tmp_path / "good.png").read_bytes())
    png[len(png) // 2] ^= 0xFF
    (tmp_path / "flipped.png").write_bytes(png)
    huge = Image.new("1", (20_000, 20_000))
    huge.save(tmp_path / "bomb.png")
    names = [
        "good.png",
        "cut.jpg",
        "text.png",
        "empty.png",
        "flipped.png",
        "bomb.png",
        "missing.png",
        "whole.jpg",
    ]
    block = decode(lambda name: Image.open(tmp_path / name), names, 32, None)
    assert block.decoded == [0, 7]
    assert block.pixels is not None
    assert block.pixels.shape == (2, 1, 32, 32)
    errors = {names[position]: error for position, error in block.failed}
    assert list(errors) == names[1:7]
    assert "truncated" in errors["cut.jpg"].lower()
    assert errors["text.png"] == errors["empty.png"] == "not an image that Pillow can read"
    assert "decompression bomb" in errors["bomb.png"]
    assert errors["missing.png"] == "No such file or directory"
    assert all("\n" not in error for error in errors.values())


def test_block_has_three_channels_if_any_image_is_in_color() -> None:
    images = {"gray": Image.new("L", (2, 2), 5), "red": Image.new("RGB", (2, 2), (9, 0, 0))}
    block = decode(images.__getitem__, ["gray", "red"], None, None)
    assert block.pixels is not None
    assert block.pixels[:, :, 0, 0].tolist() == [[5, 5, 5], [9, 0, 0]]


def test_mixed_sizes_are_reported() -> None:
    images = {"a": Image.new("L", (2, 2)), "b": Image.new("L", (3, 2))}
    assert decode(images.__getitem__, ["a", "b"], None, None).mixed_sizes
    assert not decode(images.__getitem__, ["a", "b"], 2, None).mixed_sizes


def test_worker_does_not_import_torch_and_ignores_ctrl_c() -> None:
    code = "import sys; from ganctl.data.decoding import run_worker; assert 'torch' not in sys.modules; run_worker()"
    worker = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert worker.stdin
    assert worker.stdout
    pickle.dump((None, None, pickle.dumps(Image.open)), worker.stdin)
    worker.stdin.flush()
    assert pickle.load(worker.stdout) is None
    worker.send_signal(signal.SIGINT)
    pickle.dump(["/missing.png"], worker.stdin)
    worker.stdin.flush()
    assert pickle.load(worker.stdout).failed == [(0, "No such file or directory")]
    worker.stdin.close()  # simulates the death of the parent process
    assert worker.wait(10) == 0
