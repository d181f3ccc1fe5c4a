"""A dataset of images in a folder or zip file, with subfolders as classes."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import os
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import ganctl
from ganctl.image_files import PACKAGES, extensions
from ganctl_vision import sampled_content
from ganctl_vision.open_image import from_folder, from_zip


def folder(root: Path, path: str, channels: Literal[1, 3] | None = None) -> ganctl.Dataset:
    """Your own images of any size, such as PNG, JPEG, WebP, GIF, BMP or TIFF files.

    The class of an image is the name of its subfolder. Unreadable files are reported and skipped.

    Args:
        path: the folder or zip file. "--data PATH" is short for "--data folder" with this path.
        channels: 1 to convert all images to grayscale, 3 for RGB. By default, 1 if every image is grayscale, otherwise
            3.

    Raises:
        GanctlError: if ``path`` does not exist.
    """
    given = Path(os.path.expanduser(path))
    if not given.exists() and (root / given).exists():
        given = root / given
    if not given.exists():
        raise _error(f"There is no folder or zip file '{path}'.", _suggestion(given))
    given = given.resolve()
    if not (given.is_dir() or given.is_file()):
        raise _error(f"{path} is a pipe, a socket or a device.", "Specify a folder or a zip file of images.")
    if (given.is_relative_to("/dev") and not given.is_relative_to("/dev/shm")) or any(
        given.is_relative_to(folder) for folder in ("/proc", "/sys")
    ):
        raise _error(f"{path} is a kernel folder.", "Specify a folder or a zip file of images.")
    return Folder(given, channels)


class Folder(ganctl.Dataset):
    """A dataset of the images in ``path``, a folder or a zip file."""

    def __init__(self, path: Path, channels: int | None) -> None:
        self.path = path
        self.channels = channels

    def identity(self) -> str:
        return f"folder {self.path} channels={self.channels}"

    def fingerprint(self) -> str:
        digest = hashlib.sha256(self.identity().encode("utf-8", "surrogateescape"))
        files = {"": os.stat(self.path)} if self.path.is_file() else _walk(self.path, [])
        names = sorted(files)
        for name in names:
            found = files[name]
            line = f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
        # Installing the package for a format adds images, which makes a cached dataset outdated.
        digest.update(
            ",".join(sorted({_extension(n) for n in names} & PACKAGES.keys() & extensions())).encode()
        )
        digest.update(sampled_content.digest([self.path / name for name in names]).encode())
        return digest.hexdigest()

    def read(self) -> ganctl.ImageFiles:
        notes: list[str] = []
        if self.path.is_dir():
            files, opener = list(_walk(self.path, notes)), partial(from_folder, folder=str(self.path))
        else:
            files, opener = _zip_entries(self.path), partial(from_zip, archive=str(self.path))
        known = extensions()
        names = sorted((n for n in files if os.path.splitext(n)[1].lower() in known), key=_natural)
        others = sorted(set(files) - set(names))
        if not names and (needed := _needed_packages(others)):
            raise _error(
                f"No image in {self.path} can be opened: {'; '.join(needed)}.",
                f"Install the package: pip install {' '.join(needed.values())}",
            )
        if not names:
            raise _error(
                f"There are no images in {self.path}: it is empty."
                if not others
                else f"There are no images in {self.path}, only: {_count_extensions(others)}.",
                "Use image files with a known extension, such as .png, .jpg, .webp, .bmp, .gif or .tif.",
            )
        for files_of_format, package in _needed_packages(others).items():
            notes.append(f"Skipped {files_of_format}. To open them: pip install {package}")
        others = [name for name in others if _extension(name) not in PACKAGES]
        if others:
            notes.append(f"Skipped files in {self.path} that are not images: {_count_extensions(others)}.")
        labels, classes = _classes(names)
        return ganctl.ImageFiles(
            names=names, open=opener, labels=labels, classes=classes, channels=self.channels, notes=notes
        )


def _walk(folder: Path, notes: list[str]) -> dict[str, os.stat_result]:
    """Return all files in ``folder`` and its subfolders, by relative path. Skip hidden files and follow links."""
    files: dict[str, os.stat_result] = {}
    seen = set()
    unreadable: list[OSError] = []
    for where, folders, names in os.walk(folder, followlinks=True, onerror=unreadable.append):
        real = os.path.realpath(where)
        if real in seen:  # a link to a parent folder
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not _hidden(name))
        below = os.path.relpath(where, folder)
        for name in names:
            if not _hidden(name):
                with contextlib.suppress(OSError):  # a broken link
                    found = os.stat(os.path.join(where, name))
                    if stat.S_ISREG(found.st_mode):  # opening a pipe would block forever
                        files[name if below == "." else f"{below}{os.sep}{name}"] = found
    for error in unreadable:
        if error.filename == str(folder):
            raise _error(
                f"The folder {folder} cannot be read: {error.strerror}.", "Check its permissions."
            ) from error
        notes.append(f"Skipped the folder {error.filename}, which cannot be read: {error.strerror}.")
    return files


def _zip_entries(path: Path) -> list[str]:
    """Return the names of all files in a zip file, except hidden files."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        if isinstance(error, OSError):
            raise _error(
                f"{path} cannot be read: {error.strerror or error}.", "Check its permissions."
            ) from error
        with open(path, "rb") as file:
            is_zip = file.read(2) == b"PK"
        if is_zip or path.suffix.lower() == ".zip":
            raise _error(
                f"The zip file {path} is damaged: {error}.",
                "Copy or download the file again. Check it with: unzip -t",
            ) from error
        raise _error(
            f"{path} is neither a folder nor a zip file.",
            "Specify the folder that contains the images. Extract other archives first.",
        ) from error
    infos = [info for info in infos if not any(_hidden(part) for part in info.filename.split("/"))]
    locked = [info.filename for info in infos if info.flag_bits & 0x1]
    if locked:
        raise _error(
            f"The zip file {path} is encrypted ({len(locked):,} of {len(infos):,} files, such as {locked[0]}).",
            "Extract it with its password and specify the folder instead.",
        )
    return list(dict.fromkeys(info.filename for info in infos))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _needed_packages(files: Iterable[str]) -> dict[str, str]:
    """Return the packages that can open some of ``files``, by descriptions such as "2 HEIC files, such as a.heic"."""
    names: dict[tuple[str, str], list[str]] = {}
    for name in files:
        if found := PACKAGES.get(_extension(name)):
            names.setdefault(found, []).append(name)
    return {
        f"{len(found):,} {kind} file{'s' * (len(found) > 1)}, such as {found[0]}": package
        for (kind, package), found in names.items()
    }


def _extension(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _classes(names: Sequence[str]) -> tuple[list[int] | None, tuple[str, ...]]:
    """Return labels and class names from the outermost folder level that contains more than one folder.

    Labels are None if there is no such level, or if some images are outside these folders.
    """
    paths = [tuple(re.split(r"[/\\]", name)) for name in names]
    depth = 0
    while len({path[: depth + 1] for path in paths}) == 1 and len(paths[0]) > depth + 1:
        depth += 1  # a single folder that contains everything, as in most zip files
    if any(len(path) <= depth + 1 for path in paths):
        return None, ()
    classes = sorted({path[depth] for path in paths})
    index = {name: label for label, name in enumerate(classes)}
    return [index[path[depth]] for path in paths], tuple(classes)


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return a sort key that sorts 2.png before 10.png."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]


def _count_extensions(files: Iterable[str]) -> str:
    """Return the number of files by extension, such as "3 .txt, 1 .csv"."""
    kinds = Counter(os.path.splitext(name)[1].lower() or "without extension" for name in files)
    common = [f"{count:,} {kind}" for kind, count in kinds.most_common(5)]
    return ", ".join(common) + (", …" if len(kinds) > 5 else "")


def _suggestion(path: Path) -> str:
    parent = path.absolute().parent
    if not parent.is_dir():
        return f"Check the path: there is no folder {parent} either."
    try:
        near = difflib.get_close_matches(path.name, os.listdir(parent), n=1)
    except OSError:
        near = []
    return (
        f"Did you mean '{path.parent / near[0]}'?"
        if near
        else f"Check the path. The folder searched is {parent}."
    )


def _error(message: str, hint: str) -> ganctl.GanctlError:
    return ganctl.GanctlError(message, hint, status=ganctl.DATA)
