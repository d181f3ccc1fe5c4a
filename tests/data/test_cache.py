from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.face_dataset import Faces, files, load
from PIL import Image

from ganctl import Dataset, GanctlError, Images
from ganctl.data import array_writer
from ganctl.data.cache import cache_dir, cache_size

HERE = Path(__file__).parents[1]  # the tests/ folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def faces(tmp_path: Path) -> Faces:
    folder = tmp_path / "faces"
    folder.mkdir()
    for i in range(80):
        Image.new("RGB", (6, 6), (i, 2, 3)).save(folder / f"{i:02}.png")
    return Faces(folder)


def test_images_are_decoded_once_and_then_mapped(faces: Faces, cache: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    first = load(faces, cache, progress=lambda *step: steps.append(step))
    assert first.images.x.shape == (80, 3, 6, 6)
    assert first.images.x[:, 0, 0, 0].tolist() == list(range(80))
    assert first.images.y is None
    assert steps[0] == ("Decoding faces", 0, 80)
    assert steps[-1] == ("Decoding faces", 80, 80)
    assert [done for _, done, _ in steps] == sorted(done for _, done, _ in steps)
    again = load(faces, cache, progress=lambda *step: pytest.fail("decoded twice"))
    assert faces.opened == 80
    assert torch.equal(again.images.x, first.images.x)
    assert again.fingerprint == first.fingerprint
    assert cache_size(cache) > first.images.x.numel()


def test_writing_to_mapped_images_does_not_change_the_cache(faces: Faces, cache: Path) -> None:
    load(faces, cache).images.x.zero_()
    load(faces, cache).images.x.zero_()
    assert load(faces, cache).images.x[79, 0, 0, 0] == 79


def test_unreadable_images_are_skipped_with_their_labels(faces: Faces, cache: Path) -> None:
    (faces.folder / "05.png").write_text("not an image")
    (faces.folder / "40.png").write_bytes(b"")
    faces.fields = {"labels": list(range(80)), "classes": ("a", "b"), "notes": ("a note",)}
    for _ in range(2):  # first decoded, then read from the cache
        lines: list[str] = []
        loaded = load(faces, cache, log=lines.append)
        assert loaded.images.y is not None
        assert loaded.images.y.dtype == torch.int64
        assert loaded.images.y.tolist() == [i for i in range(80) if i not in (5, 40)]
        assert loaded.images.x[:, 0, 0, 0].tolist() == loaded.images.y.tolist()
        assert loaded.images.classes == ("a", "b")
        assert loaded.skipped == [
            f"{name}: not an image that Pillow can read" for name in ("05.png", "40.png")
        ]
        assert lines[0] == "a note"
        assert "2 of 80 images" in lines[1]
        assert "05.png" in lines[1]


def test_dataset_without_readable_images_is_an_error(faces: Faces, cache: Path) -> None:
    for file in faces.folder.iterdir():
        file.write_text("not an image")
    with pytest.raises(
        GanctlError, match=r"None of the 80 images of 'faces' could be read; 00.png: not a"
    ) as error:
        load(faces, cache)
    assert error.value.status == 3
    assert files(cache) == []


def test_changed_source_is_decoded_again_and_replaces_the_entry(faces: Faces, cache: Path) -> None:
    before = load(faces, cache)
    old = files(cache)
    Image.new("RGB", (6, 6), (99, 2, 3)).save(faces.folder / "00.png")
    faces.state = "2"
    after = load(faces, cache)
    assert after.images.x[0, 0, 0, 0] == 99
    assert before.images.x[0, 0, 0, 0] == 0  # still mapped after the file was removed
    assert after.fingerprint != before.fingerprint
    assert len(files(cache)) == len(old)
    assert faces.opened == 160


def test_fingerprint_depends_on_pixels_and_labels(faces: Faces, cache: Path, tmp_path: Path) -> None:
    first = load(faces, cache)
    faces.state = "touched"
    assert load(faces, cache).fingerprint == first.fingerprint
    assert load(faces, tmp_path / "elsewhere").fingerprint == first.fingerprint
    faces.state, faces.fields = "labeled", {"labels": [0] * 80}
    labeled = load(faces, cache).fingerprint
    faces.state, faces.fields = "otherwise", {"labels": [1] * 80}
    assert len({first.fingerprint, labeled, load(faces, cache).fingerprint}) == 3


def test_every_image_size_has_a_separate_entry(faces: Faces, cache: Path) -> None:
    assert load(faces, cache, 4).images.shape == (3, 4, 4)
    assert load(faces, cache).images.shape == (3, 6, 6)
    load(faces, cache, 4)
    load(faces, cache)
    assert faces.opened == 160


def test_no_entry_is_removed_for_a_dataset_without_an_identity(faces: Faces, cache: Path) -> None:
    class Anonymous(Faces):
        identity = Dataset.identity

    dataset = Anonymous(faces.folder)
    for state in ("1", "2", "1", "2"):
        dataset.state = state
        load(dataset, cache)
    assert faces.opened == 160


@pytest.mark.parametrize("gray", [range(80), range(0, 80, 2), range(40), range(40, 80)])
def test_dataset_is_gray_only_if_every_readable_image_is_gray(faces: Faces, cache: Path, gray: range) -> None:
    for i in gray:
        Image.new("L", (6, 6), i).save(faces.folder / f"{i:02}.png")
    (faces.folder / "07.png").write_text("not an image")
    x = load(faces, cache).images.x
    expected = [i for i in range(80) if i != 7]
    assert x.shape == (79, 1 if len(gray) == 80 else 3, 6, 6)
    assert x[:, 0, 3, 3].tolist() == expected
    if x.shape[1] == 3:
        assert x[:, 1, 3, 3].tolist() == [i if i in gray else 2 for i in expected]
    assert len(files(cache)) == 2


def test_images_of_different_sizes_are_resized_to_64_and_a_note_is_printed(faces: Faces, cache: Path) -> None:
    Image.new("RGB", (7, 6), (79, 2, 3)).save(faces.folder / "79.png")
    for _ in range(2):
        lines: list[str] = []
        loaded = load(faces, cache, log=lines.append)
        assert loaded.images.x.shape == (80, 3, 64, 64)
        assert loaded.images.x[:, 0, 0, 0].tolist() == list(range(80))
        assert len(lines) == 1
        assert "64×64" in lines[0]
        assert "--image-size" in lines[0]
    assert len(files(cache)) == 2


class Arrays(Dataset):
    reads = 0

    def __init__(self, images: Images) -> None:
        self.images = images

    def fingerprint(self) -> str:
        return "arrays"

    def read(self) -> Images:
        self.reads += 1
        return self.images


def test_arrays_are_resized_like_pillow(cache: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    low = torch.rand(3000, 1, 7, 7, generator=generator)
    smooth = torch.nn.functional.interpolate(low, (28, 28), mode="bilinear")
    dataset = Arrays(Images((smooth * 255).to(torch.uint8), torch.arange(3000) % 10, tuple("0123456789")))
    for size in (32, 16):
        loaded = load(dataset, cache, size)
        again = load(dataset, cache, size)
        assert torch.equal(loaded.images.x, again.images.x)
        assert again.images.classes == tuple("0123456789")
        for i in (0, 1024, 2999):
            pillow = Image.fromarray(dataset.images.x[i, 0].numpy()).resize(
                (size, size), Image.Resampling.BICUBIC
            )
            assert np.abs(np.asarray(pillow).astype(int) - loaded.images.x[i, 0].numpy()).max() <= 1
    assert dataset.reads == 2
    same = load(dataset, cache)
    assert torch.equal(same.images.x, dataset.images.x)


def test_wide_arrays_are_cropped(cache: Path) -> None:
    x = torch.zeros(2, 3, 10, 30, dtype=torch.uint8)
    x[..., 10:20] = 255
    assert load(Images(x), cache, 10).images.x.unique().tolist() == [255]
    assert load(Images(x), cache).images.x.shape == (2, 3, 10, 30)


def test_decoded_images_are_used_unchanged_and_are_not_cached(cache: Path) -> None:
    images = Images(
        torch.arange(12, dtype=torch.uint8).reshape(3, 1, 2, 2), torch.tensor([0, 1, 0]), ("a", "b")
    )
    loaded = load(images, cache)
    assert loaded.images == images
    assert loaded.fingerprint == load(images, cache).fingerprint
    assert loaded.fingerprint != load(images._replace(x=images.x.flip(0)), cache).fingerprint
    assert not cache.exists()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (Images(torch.zeros(2, 1, 2, 2)), "x is float32 and has no range"),
        (Images(torch.zeros(2, 2, 2, dtype=torch.uint8)), "x is torch.uint8 .2, 2, 2., not a tensor N×C×H×W"),
        (
            Images(torch.zeros(2, 1, 2, 2, dtype=torch.uint8), torch.zeros(3).long()),
            "y is not int64 of length 2",
        ),
        (Images(torch.zeros(0, 1, 2, 2, dtype=torch.uint8)), "contains no images"),
        ("not images", "returned str, not ganctl.Images"),
    ],
)
def test_invalid_images_of_a_plugin_are_refused(images: Images, message: str, cache: Path) -> None:
    with pytest.raises(GanctlError, match=message):
        load(Arrays(images), cache)


def test_number_of_labels_must_equal_number_of_images(faces: Faces, cache: Path) -> None:
    faces.fields = {"labels": [0]}
    with pytest.raises(GanctlError, match="80 images, but 1 labels"):
        load(faces, cache)


def test_image_size_must_be_positive(faces: Faces, cache: Path) -> None:
    with pytest.raises(GanctlError, match="at least 1") as error:
        load(faces, cache, 0)
    assert error.value.status == 2


def damage(path: Path, how: str) -> None:
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        os.truncate(path, path.stat().st_size // 2)
    else:
        path.write_bytes(b"<html>" + path.read_bytes()[6:])


@pytest.mark.parametrize("how", ["missing", "empty", "cut", "html"])
@pytest.mark.parametrize("which", ["*.x.npy", "*.y.npy", "*.json"])
def test_damaged_entry_is_recreated(cache: Path, which: str, how: str) -> None:
    dataset = Arrays(Images(torch.arange(80, dtype=torch.uint8).reshape(20, 1, 2, 2), torch.arange(20)))
    first = load(dataset, cache)
    (file,) = (cache / "datasets").glob(which)
    damage(file, how)
    again = load(dataset, cache)
    assert again.fingerprint == first.fingerprint
    assert torch.equal(again.images.x, dataset.images.x)
    assert dataset.reads == 2
    assert len(files(cache)) == 3
    load(dataset, cache)
    assert dataset.reads == 2


BUILDER = """
    import sys
    from pathlib import Path
    sys.path.insert(0, {here!r})
    from helpers import image_openers
    from helpers.face_dataset import Faces, load
    if __name__ == "__main__":
        loaded = load(Faces(Path({folder!r}), image_openers.{opener}), Path({cache!r}), log=print)
        print(loaded.fingerprint, int(loaded.images.x[:, 0].sum()))
"""


def builder(faces: Faces, cache: Path, opener: str) -> subprocess.Popen[str]:
    code = BUILDER.format(here=str(HERE), folder=str(faces.folder), cache=str(cache), opener=opener)
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_killed_process_leaves_no_entry(faces: Faces, cache: Path, kill: signal.Signals) -> None:
    process = builder(faces, cache, "slow")
    wait_until(lambda: faces.opened > 40 and any(name.endswith(".x.npy") for name in files(cache)))
    process.send_signal(kill)
    _, errors = process.communicate(timeout=300)
    assert not list((cache / "datasets").glob("*.json"))
    if kill == signal.SIGINT:
        assert errors.count("Traceback") == 1  # from the process itself, not from a worker
        assert errors.strip().endswith("KeyboardInterrupt")
        assert files(cache) == []
    workers = {int(line.split()[0]) for line in Path(f"{faces.folder}.opened").read_text().splitlines()}
    wait_until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() and alive(pid) for pid in workers))
    lines: list[str] = []
    assert load(faces, cache, log=lines.append).images.x[:, 0, 0, 0].tolist() == list(range(80))
    assert lines == []
    assert len(files(cache)) == 2  # the next process removes leftover files


def alive(pid: int) -> bool:
    try:
        return "ganctl.data.decoding" in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


def test_concurrent_processes_decode_once(faces: Faces, cache: Path) -> None:
    processes = [builder(faces, cache, "slow") for _ in range(2)]
    results = [process.communicate(timeout=60) for process in processes]
    assert [errors for _, errors in results] == ["", ""]
    last_lines = {out.splitlines()[-1] for out, _ in results}
    assert len(last_lines) == 1
    assert faces.opened == 80
    assert load(faces, cache).fingerprint == last_lines.pop().split()[0]
    assert len(files(cache)) == 2


def test_exception_while_decoding_removes_the_files(faces: Faces, cache: Path) -> None:
    def stop(title: str, done: int, total: int) -> None:
        if done > 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(faces, cache, progress=stop)
    assert files(cache) == []
    assert load(faces, cache).images.x.shape == (80, 3, 6, 6)


def unwritable(cache: Path) -> Path:
    # Use a file in place of the folder: in many containers, the tests run as root, which ignores permissions.
    cache.mkdir()
    (cache / "datasets").write_text("not a folder")
    return cache


def test_unwritable_cache_falls_back_to_memory(faces: Faces, cache: Path) -> None:
    lines: list[str] = []
    loaded = load(faces, unwritable(cache), log=lines.append)
    assert loaded.images.x[:, 0, 0, 0].tolist() == list(range(80))
    assert len(lines) == 1
    assert "GANCTL_CACHE" in lines[0]


def test_disk_with_too_little_space_is_not_filled(
    faces: Faces, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = array_writer.shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(array_writer.shutil, "disk_usage", lambda path: usage)
    lines: list[str] = []
    loaded = load(faces, cache, log=lines.append)
    assert loaded.images.x[:, 0, 0, 0].tolist() == list(range(80))
    assert len(lines) == 1
    assert files(cache) == []


@pytest.mark.parametrize("limit", [500, 8_800, 20_000])
def test_disk_that_becomes_full_falls_back_to_memory(faces: Faces, cache: Path, limit: int) -> None:
    """The limit is reached in the pixels (8,640 bytes and a 128-byte header) or in the metadata file."""
    code = f"""
        import resource, sys
        from pathlib import Path
        sys.path.insert(0, {str(HERE)!r})
        from helpers import image_openers
        from helpers.face_dataset import Faces, files, load
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
        lines = []
        faces = Faces(Path({str(faces.folder)!r}), image_openers.plain, notes=["n" * 10_000])
        loaded = load(faces, Path({str(cache)!r}), log=lines.append)
        assert loaded.images.x[:, 0, 0, 0].tolist() == list(range(80))
        print(len(lines), len(files(Path({str(cache)!r}))))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.split() == (["2", "0"] if limit < 10_000 else ["1", "2"])


def test_too_little_space_on_disk_and_in_memory_is_an_error(
    faces: Faces, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(array_writer, "free_memory", lambda: 1000)
    with pytest.raises(GanctlError, match="Memory does not have enough space") as error:
        load(faces, unwritable(cache))
    assert error.value.status == 6
    assert "GANCTL_CACHE" in error.value.hint


def test_entry_in_a_read_only_cache_is_used(faces: Faces, cache: Path) -> None:
    load(faces, cache)
    before = files(cache)
    (cache / "datasets").chmod(0o555)
    try:
        lines: list[str] = []
        assert load(faces, cache, log=lines.append).images.x.shape == (80, 3, 6, 6)
    finally:
        (cache / "datasets").chmod(0o755)
    assert not lines
    assert files(cache) == before


def test_environment_variable_sets_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GANCTL_CACHE", "~/here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "here"
    monkeypatch.delenv("GANCTL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "ganctl"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == tmp_path / ".cache" / "ganctl"
    assert cache_size() == 0


def test_unprintable_characters_in_file_names_are_replaced(faces: Faces, cache: Path) -> None:
    os.rename(faces.folder / "00.png", os.fsencode(faces.folder) + b"/00\xff\n.png")
    (faces.folder / "01.png").write_text("not an image")
    bad = next(name for name in os.listdir(faces.folder) if "\n" in name)
    (faces.folder / bad).write_text("not an image")
    loaded = load(faces, cache)
    assert [line.split(":")[0] for line in loaded.skipped] == ["00��.png", "01.png"]
    (metadata,) = (cache / "datasets").glob("*.json")
    assert json.loads(metadata.read_text())["skipped"] == loaded.skipped


def test_dataset_plugin_in_the_documentation_works(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (HERE.parent / "docs" / "datasets.md").read_text(encoding="utf-8")
    (tmp_path / "stamps_plugin.py").write_text(text.split("```python\n")[1].split("```")[0])
    monkeypatch.syspath_prepend(tmp_path)
    import stamps_plugin  # type: ignore[import-not-found]

    (tmp_path / "stamps").mkdir()
    Image.new("L", (8, 8), 77).save(tmp_path / "stamps" / "1.jpg")
    loaded = load(stamps_plugin.stamps(tmp_path), cache)
    assert loaded.images.x.unique().tolist() == [77]


class Stored(Dataset):
    """A dataset of decoded images, which are cached."""

    def __init__(self, images: Images) -> None:
        self.images = images

    def fingerprint(self) -> str:
        return "stored"

    def read(self) -> Images:
        return self.images


def spectral(n: int = 6) -> Images:
    """Return 12-bit images with 13 channels, and conditions."""
    x = torch.arange(n * 13 * 8 * 8).remainder(4096).to(torch.uint16).view(n, 13, 8, 8)
    return Images(x, torch.arange(n) - 1, c=torch.arange(n * 2).view(n, 2).to(torch.uint16), range=(0, 4095))


def test_uint16_range_and_conditions_are_cached(cache: Path) -> None:
    images = spectral()
    first, again = (load(Stored(images), cache) for _ in range(2))
    for loaded in (first, again):
        assert torch.equal(loaded.images.x.int(), images.x.int())
        assert loaded.images.x.dtype == torch.uint16
        assert loaded.images.c is not None
        assert loaded.images.c.dtype == torch.uint16
        assert torch.equal(loaded.images.c.int(), images.c.int())
        assert loaded.images.range == (0, 4095)
        assert loaded.images.y.tolist() == [-1, 0, 1, 2, 3, 4]
    assert first.fingerprint == again.fingerprint == load(images, cache).fingerprint
    assert [name.partition(".")[2].partition(".")[2] for name in files(cache) if ".npy" in name] == [
        "x.c.npy", "x.npy", "x.y.npy",
    ]  # fmt: skip


def test_damaged_conditions_are_recreated(cache: Path) -> None:
    load(Stored(spectral()), cache)
    (file,) = (cache / "datasets").glob("*.c.npy")
    np.save(file, np.zeros((2, 2)))
    assert load(Stored(spectral()), cache).images.c.dtype == torch.uint16


def test_hash_depends_on_dtype_range_and_conditions_and_is_unchanged_for_uint8(cache: Path) -> None:
    x = torch.arange(2 * 3 * 4 * 4).to(torch.uint8).view(2, 3, 4, 4)
    y = torch.tensor([0, 1])
    assert load(Images(x), cache).fingerprint == "e3c06dba93d88a578c0a5bf3a9d3c7e9"
    assert load(Images(x, y), cache).fingerprint == "0d15f1991af5362d54c3f01bc7cec049"
    variants = [
        Images(x, y),
        Images(x, y, range=(0, 200)),
        Images(x.to(torch.uint16), y),
        Images(x, y, c=y),
        Images(x, y, c=y.int()),
        Images(x, y, c=y.flip(0)),
    ]
    assert len({load(images, cache).fingerprint for images in variants}) == len(variants)


def test_resizing_keeps_dtype_and_precision(cache: Path) -> None:
    ramp = torch.linspace(1000, 1020, 16).round().to(torch.uint16).expand(2, 13, 16, 16).contiguous()
    small = load(Images(ramp, range=(1000, 1020)), cache, size=8).images.x
    assert small.dtype == torch.uint16
    assert small.shape == (2, 13, 8, 8)
    assert small[0, 0, 0].int().diff().gt(0).all()
    assert (int(small.int().min()), int(small.int().max())) >= (1000, 1010)
    reals = load(Images(ramp.float() / 1020, range=(0.9, 1)), cache, size=8).images.x
    assert reals.dtype == torch.float32
    assert (reals[0, 0] * 1020).sub(small[0, 0].float()).abs().max() < 0.6
    assert reals.max() <= 1


@pytest.mark.parametrize("dtype", [torch.uint16, torch.float32])
def test_resizing_an_edge_keeps_the_range(cache: Path, dtype: torch.dtype) -> None:
    edge = torch.full((1, 1, 16, 16), 100.0)
    edge[..., 8:] = 200
    small = load(
        Images(edge.to(dtype), range=(100, 200)), cache, size=8
    ).images.x  # bicubic filters overshoot
    assert (float(small.float().min()), float(small.float().max())) == (100, 200)


def test_conditions_of_unreadable_files_are_dropped(faces: Faces, cache: Path) -> None:
    (faces.folder / "05.png").write_text("not an image")
    faces.fields = {"conditions": np.arange(160.0, dtype=np.float32).reshape(80, 2)}
    for _ in range(2):
        c = load(faces, cache).images.c
        assert c.shape == (79, 2)
        assert c[:, 0].tolist() == [2.0 * i for i in range(80) if i != 5]


def test_each_file_needs_one_condition(faces: Faces, cache: Path) -> None:
    faces.fields = {"conditions": np.zeros((79, 2))}
    with pytest.raises(GanctlError, match="has 80 images, but 79 conditions"):
        load(faces, cache)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"c": torch.zeros(5, 2)}, r"c is torch.float32 \(5, 2\), not a tensor with 6 rows"),
        ({"c": torch.zeros(6, 2, dtype=torch.bfloat16)}, "c is torch.bfloat16, which cannot be stored"),
        ({"c": torch.full((6,), torch.nan)}, "c has values that are not finite"),
        ({"y": torch.full((6,), -2)}, "y has the label -2"),
        ({"range": (0, 100)}, r"x has values from 0 to 4095, but range is \(0, 100\)"),
        ({"x": torch.zeros(6, 1, 2, 2), "range": None}, "x is float32 and has no range"),
    ],
)
def test_invalid_conditions_labels_and_ranges_are_refused(
    cache: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(GanctlError, match=message):
        load(Stored(spectral()._replace(**change)), cache)  # type: ignore[arg-type]
