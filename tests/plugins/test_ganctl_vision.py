"""Test ganctl_vision."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision.datasets
from PIL import Image, features

from ganctl import Dataset, GanctlError, ImageFiles
from ganctl.data.cache import Loaded, load_images
from ganctl.plugin import discovery
from ganctl_vision import draw_glyph, torchvision_datasets
from ganctl_vision.folder import folder
from ganctl_vision.glyphs import glyphs

NAMES = {
    "celeba",
    "cifar10",
    "cifar100",
    "emnist",
    "fashion-mnist",
    "folder",
    "glyphs",
    "kmnist",
    "mnist",
    "stl10",
    "svhn",
}


def load(dataset: Any, tmp_path: Path, size: int | None = None, **options: Any) -> Loaded:
    return load_images("test", dataset, image_size=size, cache_dir=tmp_path / "cache", **options)


def save(path: Path, value: int = 0, mode: str = "L") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (4, 4), value if mode == "L" else (value, 0, 9)).save(path)
    return path


# --- registration


def test_every_dataset_is_registered_and_importable() -> None:
    table = discovery.registry()
    assert set(table.names("dataset")) >= NAMES
    for name in sorted(NAMES):
        assert callable(table.get("dataset", f"ganctl:{name}").load())


def test_registration_and_worker_modules_do_not_import_torch() -> None:
    modules = "ganctl_vision, ganctl_vision.open_image, ganctl_vision.draw_glyph"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# --- glyphs


def test_glyphs_have_the_expected_shape_labels_and_brightness(tmp_path: Path) -> None:
    images, fingerprint, skipped = load(glyphs(n=100), tmp_path)
    assert images.x.shape == (100, 1, 28, 28)
    assert images.y is not None
    assert images.y.tolist() == [i % 10 for i in range(100)]
    assert images.classes == tuple("0123456789")
    assert not skipped
    assert load(glyphs(n=100), tmp_path).fingerprint == fingerprint
    x = images.x.float() / 255
    assert 0.08 < x.mean() < 0.25  # white strokes on a black background, like MNIST, whose mean is 0.13
    ink = x.mean((1, 2, 3))
    assert ink.min() > 0.03  # no image is empty
    assert (x > 0.9).any(-1).any(-1).all()
    assert ((x > 0.1) & (x < 0.9)).float().mean() > 0.02  # antialiased edges
    assert len(x.unique(dim=0)) == 100


def test_glyphs_stay_inside_the_image() -> None:
    drawn = np.stack([np.asarray(draw_glyph.draw(str(i), 0)) for i in range(500)])
    border = np.concatenate([drawn[:, 0], drawn[:, -1], drawn[:, :, 0], drawn[:, :, -1]], axis=1)
    assert (border.max(1) > 128).mean() < 0.02


def test_smaller_set_of_glyphs_is_a_prefix_and_seeds_differ(tmp_path: Path) -> None:
    few = load(glyphs(n=40), tmp_path).images.x
    more = load(glyphs(n=90), tmp_path).images.x
    assert torch.equal(more[:40], few)
    assert np.array_equal(
        np.asarray(draw_glyph.draw("33", 0)), few[33, 0].numpy()
    )  # one image drawn on its own
    assert not torch.equal(load(glyphs(n=40, seed=1), tmp_path).images.x, few)


def test_glyphs_are_legible_and_varied() -> None:
    def drawn(seed: int, n: int) -> np.ndarray:
        return np.stack([np.asarray(draw_glyph.draw(str(i), seed)) for i in range(n)]).reshape(n, -1) / 255

    train, test = drawn(0, 1000), drawn(1, 300)
    nearest = ((test[:, None] - train) ** 2).sum(-1).argmin(1)
    assert (
        nearest % 10 == np.arange(300) % 10
    ).mean() > 0.9  # legible: the nearest neighbor has the same digit
    assert train[::10].std(0).max() > 0.3  # varied


def test_invalid_glyphs_options_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GanctlError, match="n is 0"):
        glyphs(n=0)
    monkeypatch.setattr(features, "check", lambda feature: False)
    monkeypatch.setattr(features, "version", lambda feature: None)
    with pytest.raises(GanctlError, match="built without FreeType") as error:
        load(glyphs(n=10), tmp_path)
    assert error.value.status == 3


# --- folder


def read(path: Path | str, root: Path = Path("/nowhere"), **options: Any) -> ImageFiles:
    dataset = folder(root, str(path), **options).read()
    assert isinstance(dataset, ImageFiles)
    return dataset


def zipped(source: Path, to: Path) -> Path:
    with zipfile.ZipFile(to, "w") as archive:
        for file in sorted(source.rglob("*")):
            archive.write(file, file.relative_to(source))
    return to


def test_folder_without_subfolders_and_its_zip_have_the_same_images(tmp_path: Path) -> None:
    faces = tmp_path / "faces"
    for i in range(12):
        save(faces / f"{i}.png", i)
    for source in (faces, zipped(faces, tmp_path / "faces.zip")):
        files = read(source)
        assert [Path(name).stem for name in files.names] == [
            str(i) for i in range(12)
        ]  # natural order: 2 before 10
        assert files.labels is None
        assert files.classes == ()
        assert load(folder(tmp_path, str(source)), tmp_path).images.x[:, 0, 0, 0].tolist() == list(range(12))


def test_each_subfolder_is_a_class(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/deep/er/2.png", "ant/10.png", "ant/9.png", "Dog/1.png"):
        save(tmp_path / "set" / name)
    for source in (tmp_path / "set", zipped(tmp_path / "set", tmp_path / "set.zip")):
        files = read(source)
        assert files.classes == ("Dog", "ant", "cat")
        assert files.labels == [0, 1, 1, 2, 2]
        assert list(files.names) == [
            "Dog/1.png",
            "ant/9.png",
            "ant/10.png",
            "cat/1.png",
            "cat/deep/er/2.png",
        ]


def test_single_outer_folder_is_not_a_class(tmp_path: Path) -> None:
    for name in ("data/images/1.png", "data/images/2.png"):
        save(tmp_path / "a" / name)
    assert read(tmp_path / "a").labels is None
    for name in ("data/train/x/1.png", "data/train/y/1.png"):
        save(tmp_path / "b" / name)
    assert read(tmp_path / "b").classes == ("x", "y")


def test_images_inside_and_outside_subfolders_have_no_labels(tmp_path: Path) -> None:
    for name in ("1.png", "x/2.png", "y/3.png"):
        save(tmp_path / "set" / name)
    files = read(tmp_path / "set")
    assert len(files.names) == 3
    assert files.labels is None


def test_hidden_files_and_other_file_types_are_skipped(tmp_path: Path) -> None:
    faces = tmp_path / "faces"
    for name in ("1.png", ".hidden.png", "__MACOSX/._1.png", ".git/2.png", "2.JPG"):
        save(faces / name)
    for name in ("notes.txt", "list.csv", "more.txt", "README"):
        (faces / name).write_text("x")
    for source in (faces, zipped(faces, tmp_path / "faces.zip")):
        files = read(source)
        assert list(files.names) == ["1.png", "2.JPG"]
        (note,) = files.notes
        assert "2 .txt, 1 .csv, 1 without extension" in note or "2 .txt, 1 without extension, 1 .csv" in note


def test_links_are_followed_except_cycles(tmp_path: Path) -> None:
    save(tmp_path / "elsewhere" / "1.png")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "up").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "nowhere.png").symlink_to(tmp_path / "gone.png")
    os.mkfifo(tmp_path / "set" / "pipe.png")
    assert list(read(tmp_path / "set").names) == ["a/1.png"]


def test_channels_option_selects_gray_or_color(tmp_path: Path) -> None:
    save(tmp_path / "set" / "1.png", 200, "RGB")
    assert load(folder(tmp_path, str(tmp_path / "set"), channels=1), tmp_path).images.x.shape == (1, 1, 4, 4)
    assert load(folder(tmp_path, str(tmp_path / "set")), tmp_path).images.x.shape == (1, 3, 4, 4)


def test_changed_files_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "set"
    save(path / "1.png", 1)
    values = lambda: load(folder(tmp_path, str(path)), tmp_path).images.x[:, 0, 0, 0].tolist()  # noqa: E731
    assert values() == [1]
    save(path / "2.png", 2)
    assert values() == [1, 2]
    os.utime(save(path / "2.png", 3), ns=(1, 1))
    assert values() == [1, 3]
    os.rename(path / "1.png", path / "9.png")
    assert values() == [3, 1]
    (path / "2.png").unlink()
    assert values() == [1]
    assert len(list((tmp_path / "cache" / "datasets").glob("*.json"))) == 1
    archive = zipped(path, tmp_path / "set.zip")
    before = folder(tmp_path, str(archive)).fingerprint()
    os.utime(archive, ns=(1, 1))
    assert folder(tmp_path, str(archive)).fingerprint() != before


def replace(old: Path, new: Path) -> None:
    """Overwrite the files in ``old`` with the files in ``new``, and restore times like ``cp -p``, rsync and tar."""
    for file in (f for f in old.rglob("*") if f.is_file()):
        before, data = file.stat(), (new / file.relative_to(old)).read_bytes()
        assert before.st_size == len(data)
        file.write_bytes(data)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("count", [1, 100])
def test_replaced_files_with_the_same_names_sizes_and_times_are_read_again(
    tmp_path: Path, count: int
) -> None:
    path, other = tmp_path / "set", tmp_path / "other"
    for i in range(count):
        save(path / f"{i}.bmp", 10)
        save(other / f"{i}.bmp", 20)
    values = lambda p: set(load(folder(tmp_path, str(p)), tmp_path).images.x.flatten().tolist())  # noqa: E731
    assert values(path) == {10}
    replace(path, other)
    assert values(path) == {20}


def test_replaced_zip_file_with_the_same_size_and_time_is_read_again(tmp_path: Path) -> None:
    archives = tmp_path / "archives"
    archives.mkdir()
    for name, value in (("old", 10), ("new", 20)):
        save(tmp_path / name / "1.bmp", value)
        (archives / name).mkdir()
        zipped(tmp_path / name, archives / name / "set.zip")
    before = folder(tmp_path, str(archives / "old" / "set.zip")).fingerprint()
    replace(archives / "old", archives / "new")
    assert folder(tmp_path, str(archives / "old" / "set.zip")).fingerprint() != before


def test_copy_with_preserved_times_is_not_decoded_again(tmp_path: Path) -> None:
    path = tmp_path / "set"
    for i in range(100):
        save(path / f"{i}.png", i)
    before = folder(tmp_path, str(path)).fingerprint()
    shutil.copytree(path, tmp_path / "copy")
    shutil.rmtree(path)
    os.rename(tmp_path / "copy", path)  # inodes and change times differ, as on a different machine
    assert folder(tmp_path, str(path)).fingerprint() == before


def test_path_can_be_relative_to_the_data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "root" / "faces" / "1.png")
    assert list(read("faces", root=tmp_path / "root").names) == ["1.png"]
    save(tmp_path / "here" / "faces" / "2.png")
    monkeypatch.chdir(tmp_path / "here")
    assert list(read("faces", root=tmp_path / "root").names) == ["2.png"]


def error_of(path: Path | str, **options: Any) -> GanctlError:
    with pytest.raises(GanctlError) as error:
        read(path, **options)
    assert error.value.status == 3
    return error.value


def test_missing_path_is_rejected_with_a_suggestion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "anime-faces").mkdir()
    monkeypatch.chdir(tmp_path)
    assert error_of("./anime_faces").hint == "Did you mean 'anime-faces'?"
    assert str(tmp_path / "anime-faces") in error_of(tmp_path / "anime-face").hint
    assert "The folder searched is" in error_of("something").hint
    assert "no folder" in error_of("/no/such/place").hint


def test_folder_without_images_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "it is empty" in error_of(tmp_path / "empty").message
    (tmp_path / "text").mkdir()
    for i in range(3):
        (tmp_path / "text" / f"{i}.txt").write_text("x")
    assert "3 .txt" in error_of(tmp_path / "text").message
    assert "it is empty" in error_of(zipped(tmp_path / "empty", tmp_path / "empty.zip")).message


def test_invalid_zip_files_are_rejected(tmp_path: Path) -> None:
    image = save(tmp_path / "one.png")
    assert "neither a folder nor a zip" in error_of(image).message
    save(tmp_path / "set" / "1.png")
    whole = zipped(tmp_path / "set", tmp_path / "set.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    assert "damaged" in error_of(tmp_path / "cut.zip").message


def test_encrypted_zip_is_rejected(tmp_path: Path) -> None:
    save(tmp_path / "set" / "1.png")
    data = bytearray(zipped(tmp_path / "set", tmp_path / "set.zip").read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the encryption flag in the central directory
    (tmp_path / "locked.zip").write_bytes(data)
    assert "encrypted" in error_of(tmp_path / "locked.zip").message


def test_damaged_entry_of_a_zip_is_skipped(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / "set" / f"{i}.png", i)
    data = bytearray(zipped(tmp_path / "set", tmp_path / "set.zip").read_bytes())
    data[data.index(b"1.png") + 30] ^= 0xFF
    (tmp_path / "set.zip").write_bytes(data)
    loaded = load(folder(tmp_path, str(tmp_path / "set.zip")), tmp_path)
    assert loaded.images.x[:, 0, 0, 0].tolist() == [0, 2]
    assert len(loaded.skipped) == 1
    assert "1.png: BadZipFile: Bad CRC-32" in loaded.skipped[0]


# --- torchvision


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_mnist(raw: Path, prefixes: dict[str, int], first_label: int = 0) -> None:
    raw.mkdir(parents=True)
    for prefix, count in prefixes.items():
        images = np.arange(count * 784).reshape(count, 28, 28) % 251
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(idx(images))
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(np.arange(count) % 10 + first_label))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Disable the network and return the list of requested addresses."""
    requested: list[str] = []

    def urlopen(request: Any, *args: Any, **kwargs: Any) -> None:
        requested.append(getattr(request, "full_url", request))
        raise URLError(OSError(-2, "Name or service not known"))

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    return requested


@pytest.mark.parametrize(
    ("factory", "kind"),
    [
        (torchvision_datasets.mnist, "MNIST"),
        (torchvision_datasets.fashion_mnist, "FashionMNIST"),
        (torchvision_datasets.kmnist, "KMNIST"),
    ],
)
def test_mnist_and_similar_datasets_are_read(
    factory: Any, kind: str, tmp_path: Path, offline: list[str]
) -> None:
    write_mnist(tmp_path / kind / "raw", {"train": 30, "t10k": 20})
    images = load(factory(tmp_path), tmp_path).images
    assert images.x.shape == (30, 1, 28, 28)
    assert images.x[1, 0, 0, :3].tolist() == [784 % 251, 785 % 251, 786 % 251]
    assert images.y is not None
    assert images.y.tolist() == [i % 10 for i in range(30)]
    assert len(images.classes) == 10
    assert load(factory(tmp_path, split="test"), tmp_path).images.x.shape == (20, 1, 28, 28)
    assert load(factory(tmp_path), tmp_path, size=32).images.x.shape == (30, 1, 32, 32)
    assert not offline


def test_emnist_is_upright_and_labels_start_at_0(tmp_path: Path, offline: list[str]) -> None:
    raw = tmp_path / "EMNIST" / "raw"
    write_mnist(raw, {"emnist-letters-train": 26}, first_label=1)
    images = load(torchvision_datasets.emnist(tmp_path, part="letters"), tmp_path).images
    assert images.x[0, 0, :3, 0].tolist() == [0, 1, 2]
    assert images.y is not None
    assert images.y.tolist() == [i % 10 for i in range(26)]
    assert images.classes == tuple("abcdefghijklmnopqrstuvwxyz")


def test_cifar10_and_cifar100_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: list[str]
) -> None:
    # The test files have different checksums than the real files.
    monkeypatch.setattr(
        "torchvision.datasets.cifar.check_integrity", lambda path, md5=None: os.path.isfile(path)
    )
    data = np.arange(4 * 3072).reshape(4, 3072).astype(np.uint8)

    def write(where: str, contents: dict[str, dict[str, Any]]) -> None:
        (tmp_path / where).mkdir()
        for name, content in contents.items():
            (tmp_path / where / name).write_bytes(pickle.dumps(content))

    batches = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    ten = {name: {"data": data, "labels": [0, 1, 2, 9]} for name in batches}
    write("cifar-10-batches-py", {**ten, "batches.meta": {"label_names": list("abcdefghij")}})
    images = load(torchvision_datasets.cifar10(tmp_path), tmp_path).images
    assert images.x.shape == (20, 3, 32, 32)
    assert torch.equal(images.x[:4].flatten(1), torch.from_numpy(data))  # one plane per color channel
    assert images.y is not None
    assert images.y.tolist() == [0, 1, 2, 9] * 5
    assert images.classes == tuple("abcdefghij")
    assert len(load(torchvision_datasets.cifar10(tmp_path, split="test"), tmp_path).images.x) == 4

    hundred = {name: {"data": data, "fine_labels": [0, 1, 2, 99]} for name in ("train", "test")}
    write("cifar-100-python", {**hundred, "meta": {"fine_label_names": [f"c{i}" for i in range(100)]}})
    images = load(torchvision_datasets.cifar100(tmp_path), tmp_path).images
    assert len(images.classes) == 100
    assert images.y is not None
    assert images.y.tolist() == [0, 1, 2, 99]


def test_stl10_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: list[str]) -> None:
    monkeypatch.setattr(
        "torchvision.datasets.stl10.check_integrity", lambda path, md5=None: os.path.isfile(path)
    )
    binary = tmp_path / "stl10_binary"
    binary.mkdir()
    column_major = np.arange(2 * 3 * 96 * 96).astype(np.uint8)
    for part in ("train", "test", "unlabeled"):
        column_major.tofile(binary / f"{part}_X.bin")
        np.array([1, 10], np.uint8).tofile(binary / f"{part}_y.bin")
    (binary / "class_names.txt").write_text("\n".join("abcdefghij"))
    images = load(torchvision_datasets.stl10(tmp_path, split="train"), tmp_path).images
    assert images.x.shape == (2, 3, 96, 96)
    assert images.x[0, 0, :3, 0].tolist() == [0, 1, 2]
    assert images.y is not None
    assert images.y.tolist() == [0, 9]
    assert images.classes == tuple("abcdefghij")
    unlabeled = load(torchvision_datasets.stl10(tmp_path), tmp_path).images
    assert (len(unlabeled.x), unlabeled.y, unlabeled.classes) == (2, None, ())
    assert len(load(torchvision_datasets.stl10(tmp_path, split="train+unlabeled"), tmp_path).images.x) == 4


def test_svhn_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: list[str]) -> None:
    (tmp_path / "train_32x32.mat").write_bytes(b"Matlab")
    if torchvision_datasets.importlib.util.find_spec("scipy") is None:
        with pytest.raises(GanctlError, match="scipy") as error:
            load(torchvision_datasets.svhn(tmp_path), tmp_path)
        assert error.value.status == 3

    class SVHN:
        data = np.full((2, 3, 32, 32), 7, np.uint8)
        labels = np.array([0, 9])

        def __init__(self, root: Path, split: str, download: bool) -> None:
            assert (root, split, download) == (tmp_path, "train", False)

    monkeypatch.setattr(torchvision.datasets, "SVHN", SVHN)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True)
    images = load(torchvision_datasets.svhn(tmp_path), tmp_path).images
    assert images.x.shape == (2, 3, 32, 32)
    assert images.y is not None
    assert images.y.tolist() == [0, 9]


def test_celeba_is_read(tmp_path: Path, offline: list[str]) -> None:
    for i in range(4):
        save(tmp_path / "celeba" / "img_align_celeba" / f"00000{i}.png", i * 50).rename(
            tmp_path / "celeba" / "img_align_celeba" / f"00000{i}.jpg"
        )
    everything = load(torchvision_datasets.celeba(tmp_path, split="all"), tmp_path).images
    assert everything.x.shape == (4, 3, 4, 4)
    assert everything.y is None
    with pytest.raises(GanctlError, match="list_eval_partition"):
        load(torchvision_datasets.celeba(tmp_path), tmp_path)
    partition = "000000.jpg 0\n000001.jpg 1\n000002.jpg 0\n000003.jpg 2\n"
    (tmp_path / "celeba" / "list_eval_partition.txt").write_text(partition)
    assert load(torchvision_datasets.celeba(tmp_path), tmp_path).images.x[:, 0, 0, 0].tolist() == [0, 100]
    assert len(load(torchvision_datasets.celeba(tmp_path, split="valid"), tmp_path).images.x) == 1


def test_missing_dataset_without_network_is_an_error(
    tmp_path: Path, offline: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(GanctlError) as error:
        load(torchvision_datasets.mnist(tmp_path / "data"), tmp_path)
    assert offline
    assert error.value.status == 3
    assert str(tmp_path / "data") in error.value.message
    assert "the download failed: Name or service not known" in error.value.message
    assert "--data-root" in error.value.hint
    assert "--data glyphs" in error.value.hint
    assert capfd.readouterr().out == ""


def test_missing_dataset_with_download_disabled_is_an_error(tmp_path: Path, offline: list[str]) -> None:
    with pytest.raises(GanctlError, match="downloading is disabled"):
        load(torchvision_datasets.cifar10(tmp_path, download=False), tmp_path)
    assert not offline
    assert list(tmp_path.iterdir()) == []


def test_error_suggests_the_parent_of_a_data_root_that_is_one_level_too_deep(
    tmp_path: Path, offline: list[str]
) -> None:
    write_mnist(tmp_path / "MNIST" / "raw", {"train": 3, "t10k": 2})
    with pytest.raises(GanctlError) as error:
        load(torchvision_datasets.mnist(tmp_path / "MNIST", download=False), tmp_path)
    assert f"--data-root {tmp_path}" in error.value.hint


def test_download_happens_once_and_prints_to_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write_mnist(tmp_path / "server", {"train": 30, "t10k": 20})
    requested: list[str] = []

    def fetch(url: str, download_root: str, filename: str, md5: str) -> None:
        print("progress")
        requested.append(url)
        unpacked = filename.removesuffix(".gz")
        shutil.copy(tmp_path / "server" / unpacked, Path(download_root) / unpacked)

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", fetch)
    for _ in range(2):
        assert load(torchvision_datasets.mnist(tmp_path / "new" / "root"), tmp_path).images.x.shape == (
            30,
            1,
            28,
            28,
        )
    assert len(requested) == 4
    out, err = capfd.readouterr()
    assert out == ""
    assert "progress" in err


def test_damaged_raw_files_are_reported(tmp_path: Path, offline: list[str]) -> None:
    write_mnist(tmp_path / "MNIST" / "raw", {"train": 30, "t10k": 20})
    os.truncate(tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte", 1000)
    with pytest.raises(GanctlError, match="cannot be read") as error:
        load(torchvision_datasets.mnist(tmp_path), tmp_path)
    assert error.value.status == 3
    assert "to download the dataset" in error.value.hint


def test_changed_raw_files_are_read_again(tmp_path: Path, offline: list[str]) -> None:
    write_mnist(tmp_path / "MNIST" / "raw", {"train": 30, "t10k": 20})
    first = load(torchvision_datasets.mnist(tmp_path), tmp_path)
    (tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(30)))
    again = load(torchvision_datasets.mnist(tmp_path), tmp_path)
    assert again.images.y is not None
    assert again.images.y.unique().tolist() == [0]
    assert again.fingerprint != first.fingerprint
    assert len(list((tmp_path / "cache" / "datasets").glob("*.json"))) == 1


def test_replaced_raw_files_with_the_same_sizes_and_times_are_read_again(
    tmp_path: Path, offline: list[str]
) -> None:
    raw, other = tmp_path / "MNIST" / "raw", tmp_path / "other"
    write_mnist(raw, {"train": 30, "t10k": 20})
    first = load(torchvision_datasets.mnist(tmp_path), tmp_path)
    shutil.copytree(raw, other)
    labels = other / "train-labels-idx1-ubyte"
    labels.write_bytes(idx(np.full(30, 7)))
    replace(raw, other)
    again = load(torchvision_datasets.mnist(tmp_path), tmp_path)
    assert again.images.y is not None
    assert again.images.y.unique().tolist() == [7]
    assert again.fingerprint != first.fingerprint


def test_cached_dataset_does_not_import_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path / "MNIST" / "raw", {"train": 30, "t10k": 20})
    load(torchvision_datasets.mnist(tmp_path), tmp_path)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    assert load(torchvision_datasets.mnist(tmp_path), tmp_path).images.x.shape == (30, 1, 28, 28)


def test_incompatible_torchvision_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path / "MNIST" / "raw", {"train": 30, "t10k": 20})
    broken = tmp_path / "broken" / "torchvision"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path / "broken")
    with pytest.raises(GanctlError, match="operator torchvision::nms does not exist") as error:
        load(torchvision_datasets.mnist(tmp_path), tmp_path)
    for distribution in ("torch", "torchvision"):
        assert torchvision_datasets.importlib.metadata.version(distribution) in error.value.message
    assert "pip install" in error.value.hint


def test_unwritable_root_is_reported(tmp_path: Path, offline: list[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(GanctlError, match="the download failed"):
        load(torchvision_datasets.mnist(tmp_path / "file"), tmp_path)


def test_real_mnist_is_read(data_root: Path, tmp_path: Path) -> None:
    images = load(torchvision_datasets.mnist(data_root, download=False), tmp_path).images
    assert images.x.shape == (60_000, 1, 28, 28)
    assert images.x.float().mean().item() / 255 == pytest.approx(0.1307, abs=1e-4)
    assert images.y is not None
    assert images.y.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


def test_real_jpegs_in_a_zip_are_read(data_root: Path, tmp_path: Path) -> None:
    archive = data_root / "cifar10-jpg" / "test.zip"
    if not archive.exists():
        pytest.skip(f"requires {archive}")
    loaded = load(folder(data_root, str(archive)), tmp_path)
    assert loaded.images.x.shape == (10_000, 3, 32, 32)
    assert loaded.images.y is not None
    assert loaded.images.y.bincount().tolist() == [1000] * 10
    assert not loaded.skipped
    with zipfile.ZipFile(archive) as opened:
        image = Image.open(opened.open("bird/0007.jpg"))
        expected = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)
    assert torch.equal(loaded.images.x[2007], expected)


def test_glyphs_is_a_dataset() -> None:
    assert isinstance(glyphs(), Dataset)
