"""torchvision's datasets, which are downloaded if they are not on disk."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import filelock

import ganctl
from ganctl_vision import sampled_content
from ganctl_vision.open_image import from_folder

if TYPE_CHECKING:
    from torch import Tensor

VERSION = 1  # Increase this number if the same files produce different pixels or labels.
FALLBACK = "Without a download, use: --data glyphs"


def mnist(root: Path, split: Literal["train", "test"] = "train", download: bool = True) -> ganctl.Dataset:
    """Handwritten digits (LeCun et al. 1998), 28×28 gray, 10 classes: 60,000 training and 10,000 test images.

    Args:
        split: part of the dataset.
        download: download the dataset if it is not on disk.
    """
    return _mnist_like("mnist", "MNIST", root, split, download, classes=tuple("0123456789"))


def fashion_mnist(
    root: Path, split: Literal["train", "test"] = "train", download: bool = True
) -> ganctl.Dataset:
    """Images of clothing (Xiao et al. 2017), 28×28 gray, 10 classes: 60,000 training and 10,000 test images.

    Args:
        split: part of the dataset.
        download: download the dataset if it is not on disk.
    """
    return _mnist_like("fashion-mnist", "FashionMNIST", root, split, download)


def kmnist(root: Path, split: Literal["train", "test"] = "train", download: bool = True) -> ganctl.Dataset:
    """Cursive Japanese characters (Clanuwat et al. 2018), 28×28 gray, 10 classes: 60,000 training, 10,000 test images.

    Args:
        split: part of the dataset.
        download: download the dataset if it is not on disk.
    """
    return _mnist_like("kmnist", "KMNIST", root, split, download)


def emnist(
    root: Path,
    part: Literal["balanced", "byclass", "bymerge", "digits", "letters", "mnist"] = "balanced",
    split: Literal["train", "test"] = "train",
    download: bool = True,
) -> ganctl.Dataset:
    """Handwritten letters and digits (Cohen et al. 2017), 28×28 gray, rotated upright.

    Args:
        part: one of six collections: balanced (47 classes), byclass (62), bymerge (47), digits (10), letters (26),
            mnist (10).
        split: part of the collection.
        download: download the dataset if it is not on disk.
    """

    def load(datasets: Any, folder: Path, fetch: bool) -> ganctl.Images:
        data = datasets.EMNIST(folder, split=part, train=split == "train", download=fetch)
        y, classes = data.targets, tuple(data.classes)
        if part == "letters":  # labels start at 1, after a class "N/A"
            y, classes = y - 1, classes[1:]
        return ganctl.Images(data.data.transpose(1, 2).unsqueeze(1), y.long(), classes)

    raw = Path("EMNIST", "raw")
    files = [raw / f"emnist-{part}-{split}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1")]
    return TorchvisionDataset("emnist", root, f"part={part} split={split}", files, load, download)


def cifar10(root: Path, split: Literal["train", "test"] = "train", download: bool = True) -> ganctl.Dataset:
    """Animals and vehicles (Krizhevsky 2009), 32×32 color, 10 classes: 50,000 training and 10,000 test images.

    Args:
        split: part of the dataset.
        download: download the dataset if it is not on disk.
    """
    files = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"]
    return _cifar("cifar10", "CIFAR10", "cifar-10-batches-py", files, root, split, download)


def cifar100(root: Path, split: Literal["train", "test"] = "train", download: bool = True) -> ganctl.Dataset:
    """Objects, animals and people (Krizhevsky 2009), 32×32 color, 100 classes: 50,000 training and 10,000 test images.

    Args:
        split: part of the dataset.
        download: download the dataset if it is not on disk.
    """
    files = ["train", "test", "meta"]
    return _cifar("cifar100", "CIFAR100", "cifar-100-python", files, root, split, download)


def svhn(
    root: Path, split: Literal["train", "test", "extra"] = "train", download: bool = True
) -> ganctl.Dataset:
    """House numbers (Netzer et al. 2011), 32×32 color, 10 classes: 73,257 training, 26,032 test and 531,131 extra
    images.

    Args:
        split: part of the dataset.
        download: download the dataset if it is not on disk.
    """

    def load(datasets: Any, folder: Path, fetch: bool) -> ganctl.Images:
        import torch

        if importlib.util.find_spec("scipy") is None:
            raise ganctl.GanctlError(
                "svhn is stored as MATLAB files, which require scipy, but scipy is not installed.",
                "Install it: pip install scipy",
                status=ganctl.DATA,
            )
        data = datasets.SVHN(folder, split=split, download=fetch)
        return ganctl.Images(torch.as_tensor(data.data), torch.as_tensor(data.labels), tuple("0123456789"))

    return TorchvisionDataset("svhn", root, f"split={split}", [Path(f"{split}_32x32.mat")], load, download)


def stl10(
    root: Path,
    split: Literal["unlabeled", "train", "test", "train+unlabeled"] = "unlabeled",
    download: bool = True,
) -> ganctl.Dataset:
    """Animals and vehicles (Coates et al. 2011), 96×96 color: 100,000 unlabeled, 5,000 training and 8,000 test
    images. Training and test images have 10 classes.

    Args:
        split: part of the dataset. Parts with unlabeled images have no classes.
        download: download the dataset (2.6 GB) if it is not on disk.
    """

    def load(datasets: Any, folder: Path, fetch: bool) -> ganctl.Images:
        import torch

        data = datasets.STL10(folder, split=split, download=fetch)
        x = torch.as_tensor(data.data)
        if "unlabeled" in split:
            return ganctl.Images(x)
        return ganctl.Images(x, torch.as_tensor(data.labels).long(), tuple(data.classes))

    names = ["train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin", "unlabeled_X.bin", "class_names.txt"]
    files = [Path("stl10_binary", name) for name in names]
    return TorchvisionDataset("stl10", root, f"split={split}", files, load, download)


def celeba(
    root: Path, split: Literal["train", "valid", "test", "all"] = "train", download: bool = True
) -> ganctl.Dataset:
    """Faces of celebrities (Liu et al. 2015), aligned, 178×218 color, no classes: 202,599 images.

    Args:
        split: part of the dataset. "all" does not require list_eval_partition.txt.
        download: download the dataset (1.4 GB, requires gdown) if it is not on disk.
    """

    def load(datasets: Any, folder: Path, fetch: bool) -> ganctl.ImageFiles:
        if fetch:
            datasets.CelebA(folder, download=True)
        images = folder / "celeba" / "img_align_celeba"
        if split == "all":
            names = sorted(name for name in os.listdir(images) if name.endswith(".jpg"))
        else:
            number = {"train": "0", "valid": "1", "test": "2"}[split]
            rows = (folder / "celeba" / "list_eval_partition.txt").read_text().splitlines()
            names = [name for name, part in (row.split() for row in rows if row.strip()) if part == number]
        return ganctl.ImageFiles(names=names, open=partial(from_folder, folder=str(images)), channels=3)

    files = [Path("celeba", "img_align_celeba")]
    if split != "all":
        files.append(Path("celeba", "list_eval_partition.txt"))
    return TorchvisionDataset("celeba", root, f"split={split}", files, load, download)


@dataclass(frozen=True)
class TorchvisionDataset(ganctl.Dataset):
    """A dataset from torchvision.

    ``load(torchvision.datasets, root, fetch)`` downloads the dataset if ``fetch`` is true, then reads it. ``files`` are
    the paths relative to ``root`` that must exist if the dataset is on disk. Their sizes, times and a part of their
    content are its fingerprint.
    """

    name: str
    root: Path
    options: str
    files: Sequence[Path]
    load: Callable[[Any, Path, bool], ganctl.Images | ganctl.ImageFiles]
    download: bool

    def identity(self) -> str:
        return f"{self.name} {self.root.resolve()} {self.options}"

    def fingerprint(self) -> str:
        if self._missing():
            self._fetch()
        stats = [(file, os.stat(self.root / file)) for file in self.files]
        lines = [f"{file.as_posix()} {found.st_size} {found.st_mtime_ns}" for file, found in stats]
        content = sampled_content.digest(
            [self.root / file for file in self.files if (self.root / file).is_file()]
        )
        return "\n".join([f"{self.name} {self.options} version={VERSION}", *lines, content])

    def read(self) -> ganctl.Images | ganctl.ImageFiles:
        if self._missing():
            self._fetch()
        datasets = _torchvision_datasets()
        try:
            with contextlib.redirect_stdout(sys.stderr):
                return self.load(datasets, self.root, False)
        except ganctl.GanctlError:
            raise
        except Exception as error:
            folder = self.root / self.files[0].parts[0]
            raise ganctl.GanctlError(
                f"{self.name} in {folder} cannot be read: {_one_line(error)}",
                f"Remove {folder} and run the command again to download the dataset. {FALLBACK}",
                status=ganctl.DATA,
            ) from error

    def _missing(self) -> list[Path]:
        return [file for file in self.files if not (self.root / file).exists()]

    def _fetch(self) -> None:
        if not self.download:
            raise self._missing_error("downloading is disabled")
        datasets = _torchvision_datasets()
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            # Two runs that start together must not write the same files.
            with filelock.FileLock(self.root / f".{self.name}.lock"):
                self._fetch_locked(datasets)
        except ganctl.GanctlError:
            raise
        except Exception as error:
            raise self._missing_error(f"the download failed: {_one_line(error)}") from error
        if self._missing():
            raise self._missing_error("the download did not contain it")

    def _fetch_locked(self, datasets: Any) -> None:
        if self._missing():
            # Show the progress bar on stderr, because stdout is for the command's output.
            with contextlib.redirect_stdout(sys.stderr):
                self.load(datasets, self.root, True)

    def _missing_error(self, why: str) -> ganctl.GanctlError:
        folder = self.root.absolute()
        missing = self._missing()
        what = f"{missing[0].as_posix()} is not in {folder}" if missing else f"it is incomplete in {folder}"
        hint = "Specify the folder that contains it: --data-root DIR."
        for other in (folder.parent, folder / "data"):
            if all((other / file).exists() for file in self.files):
                hint = f"It is in {other}, so add: --data-root {shlex.quote(str(other))}"
        return ganctl.GanctlError(
            f"{self.name}: {what}, and {why}.", f"{hint} {FALLBACK}", status=ganctl.DATA
        )


def _mnist_like(
    name: str, kind: str, root: Path, split: str, download: bool, classes: tuple[str, ...] = ()
) -> ganctl.Dataset:
    def load(datasets: Any, folder: Path, fetch: bool) -> ganctl.Images:
        data = getattr(datasets, kind)(folder, train=split == "train", download=fetch)
        x: Tensor = data.data
        return ganctl.Images(x.unsqueeze(1), data.targets.long(), classes or tuple(data.classes))

    files = [
        Path(kind, "raw", f"{part}-{what}-ubyte")
        for part in ("train", "t10k")
        for what in ("images-idx3", "labels-idx1")
    ]
    return TorchvisionDataset(name, root, f"split={split}", files, load, download)


def _cifar(
    name: str, kind: str, where: str, files: Sequence[str], root: Path, split: str, download: bool
) -> ganctl.Dataset:
    def load(datasets: Any, folder: Path, fetch: bool) -> ganctl.Images:
        import torch

        data = getattr(datasets, kind)(folder, train=split == "train", download=fetch)
        x = torch.as_tensor(data.data).permute(0, 3, 1, 2)
        return ganctl.Images(x, torch.as_tensor(data.targets), tuple(data.classes))

    return TorchvisionDataset(name, root, f"split={split}", [Path(where, f) for f in files], load, download)


def _torchvision_datasets() -> Any:
    try:
        return importlib.import_module("torchvision.datasets")
    except Exception as error:  # an incompatible torchvision raises various exceptions, not only ImportError
        torch, torchvision = _version("torch"), _version("torchvision")
        raise ganctl.GanctlError(
            f"torchvision {torchvision} cannot be imported with torch {torch}: {_one_line(error)}",
            "Install compatible versions: pip install --upgrade torch torchvision",
            status=ganctl.DATA,
        ) from error


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def _one_line(error: Exception) -> str:
    """Return the error message as one line. If several mirrors failed, return only the reason."""
    if network := re.search(r"urlopen error (?:\[Errno -?\d+\] )?([^>]+)>", str(error)):
        return network[1]
    return " ".join(f"{type(error).__name__}: {error}".split())[:300].rstrip(".: ")
