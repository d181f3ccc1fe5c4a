"""People's own pictures: a folder, or a zip of one. Sub-folders are classes."""

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

from PIL import Image

import ganctl
from ganctl_vision.opening import from_folder, from_zip

#: Formats that Pillow lists but does not decode itself, or not without running another program.
NOT_DECODED = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}


def folder(root: Path, path: str, channels: Literal[1, 3] | None = None) -> ganctl.Dataset:
    """Your own pictures, in any format that Pillow reads and of any size.

    Pictures in sub-folders get the sub-folder's name as their class. Files that cannot be read are left out
    and named.

    Args:
        path: The folder, or a zip of one. "--data PATH" is short for this dataset with that path.
        channels: 1 makes all pictures gray, 3 all colored. By default 1 if every picture is gray, else 3.
    """
    given = Path(path).expanduser()
    if not given.exists() and (root / given).exists():
        given = root / given
    if not given.exists():
        raise _error(f"There is no folder or zip '{path}'.", _near(given))
    return Folder(given.resolve(), channels)


class Folder(ganctl.Dataset):
    """The pictures under ``path``."""

    def __init__(self, path: Path, channels: int | None) -> None:
        self.path = path
        self.channels = channels

    def identity(self) -> str:
        return f"folder {self.path} channels={self.channels}"

    def fingerprint(self) -> str:
        digest = hashlib.sha256(self.identity().encode("utf-8", "surrogateescape"))
        files = {"": os.stat(self.path)} if self.path.is_file() else _walk(self.path, [])
        for name, found in sorted(files.items()):
            line = f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def read(self) -> ganctl.ImageFiles:
        notes: list[str] = []
        if self.path.is_dir():
            files, opener = list(_walk(self.path, notes)), partial(from_folder, folder=str(self.path))
        else:
            files, opener = _entries(self.path), partial(from_zip, archive=str(self.path))
        known = _extensions()
        names = sorted((n for n in files if os.path.splitext(n)[1].lower() in known), key=_natural)
        others = sorted(set(files) - set(names))
        if not names:
            raise _error(
                f"There is no picture in {self.path}: it is empty."
                if not others
                else f"There is no picture in {self.path}: {_kinds(others)}.",
                "Pictures are told by their extension: .png, .jpg, .webp, .bmp, .gif, .tif and others.",
            )
        if others:
            notes.append(f"In {self.path} what is no picture was passed over: {_kinds(others)}.")
        labels, classes = _classes(names)
        return ganctl.ImageFiles(
            names=names, open=opener, labels=labels, classes=classes, channels=self.channels, notes=notes
        )


def _walk(folder: Path, notes: list[str]) -> dict[str, os.stat_result]:
    """All files below ``folder`` by their path in it, hidden ones left out. Links are followed."""
    files: dict[str, os.stat_result] = {}
    seen = set()
    unreadable: list[OSError] = []
    for where, folders, names in os.walk(folder, followlinks=True, onerror=unreadable.append):
        real = os.path.realpath(where)
        if real in seen:  # a link to a folder above itself
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not _hidden(name))
        below = os.path.relpath(where, folder)
        for name in names:
            if not _hidden(name):
                with contextlib.suppress(OSError):  # a link to nowhere
                    found = os.stat(os.path.join(where, name))
                    if stat.S_ISREG(found.st_mode):  # to open a pipe would wait for ever
                        files[name if below == "." else f"{below}{os.sep}{name}"] = found
    for error in unreadable:
        if error.filename == str(folder):
            raise _error(f"The folder {folder} cannot be read: {error.strerror}.", "") from error
        notes.append(f"The folder {error.filename} cannot be read and is left out: {error.strerror}.")
    return files


def _entries(path: Path) -> list[str]:
    """Names of all files in a zip, hidden ones left out."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        if isinstance(error, OSError):
            raise _error(f"{path} cannot be read: {error.strerror or error}.", "") from error
        with open(path, "rb") as file:
            is_zip = file.read(2) == b"PK"
        if is_zip or path.suffix.lower() == ".zip":
            raise _error(
                f"The zip {path} is damaged: {error}.", "Copy or download it again; 'unzip -t' checks it."
            ) from error
        raise _error(
            f"{path} is neither a folder nor a zip.",
            "Give the folder that the pictures are in. Other archives must be unpacked first.",
        ) from error
    infos = [info for info in infos if not any(_hidden(part) for part in info.filename.split("/"))]
    locked = [info.filename for info in infos if info.flag_bits & 0x1]
    if locked:
        raise _error(
            f"The zip {path} is encrypted ({len(locked):,} of {len(infos):,} files, such as {locked[0]}).",
            "Unpack it with its password and give the folder instead.",
        )
    return list(dict.fromkeys(info.filename for info in infos))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _extensions() -> set[str]:
    known = Image.registered_extensions()
    return {end for end, kind in known.items() if kind in Image.OPEN and kind not in NOT_DECODED}


def _classes(names: Sequence[str]) -> tuple[list[int] | None, tuple[str, ...]]:
    """Labels by the first folder on the way that has brothers; None if there is none, or loose pictures too."""
    paths = [tuple(re.split(r"[/\\]", name)) for name in names]
    depth = 0
    while len({path[: depth + 1] for path in paths}) == 1 and len(paths[0]) > depth + 1:
        depth += 1  # one folder around everything, as most zips have
    if any(len(path) <= depth + 1 for path in paths):
        return None, ()
    classes = sorted({path[depth] for path in paths})
    index = {name: label for label, name in enumerate(classes)}
    return [index[path[depth]] for path in paths], tuple(classes)


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sorts 2.png before 10.png."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]


def _kinds(files: Iterable[str]) -> str:
    """What there is in place of pictures: "3 .txt, 1 .csv"."""
    kinds = Counter(os.path.splitext(name)[1].lower() or "without extension" for name in files)
    common = [f"{count:,} {kind}" for kind, count in kinds.most_common(5)]
    return ", ".join(common) + (", …" if len(kinds) > 5 else "")


def _near(path: Path) -> str:
    where = path.absolute().parent
    if not where.is_dir():
        return f"There is no folder {where} either."
    try:
        near = difflib.get_close_matches(path.name, os.listdir(where), n=1)
    except OSError:
        near = []
    return f"Did you mean '{path.parent / near[0]}'?" if near else f"It was looked for in {where}."


def _error(message: str, hint: str) -> ganctl.GanctlError:
    return ganctl.GanctlError(message, hint, status=ganctl.DATA)
