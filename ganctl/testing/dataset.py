"""Check a dataset."""

from __future__ import annotations

import dataclasses
import os
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganctl.data.decoding import decode
from ganctl.data.pixels import as_signed, wrong_pixels
from ganctl.dataset import Dataset, ImageFiles, Images
from ganctl.errors import DATA, USAGE, GanctlError
from ganctl.plugin import options
from ganctl.plugin.registry import Registry
from ganctl.testing.component_under_test import Subject, Target, run_check, target_name
from ganctl.testing.failures import Broken, Failure, Findings, Unavailable

OPENED = 32  # number of images to open from a list of files
ORDER = "Read in a fixed order, such as with sorted(), and draw random numbers from a generator with a fixed seed."


def check_dataset(
    dataset: Target, /, *, root: Path | str | None = None, registry: Registry | None = None, **options: Any
) -> list[Failure]:
    """Check a dataset's pixel range, labels, conditions, order and fingerprint.

    Args:
        dataset: Registered name or factory of the dataset.
        root: The data root. By default, ``$GANCTL_DATA_ROOT`` or ``data``.
        registry: Registry in which names are looked up. By default, the registry of installed plugins.
        **options: Options of the dataset. Use them to make the dataset small.
    """
    try:
        return check_if_available(dataset, root=root, registry=registry, **options)
    except Unavailable as error:
        remedy = "Give the dataset's options, or root= with the folder that contains the data."
        return [
            Failure(f"dataset '{target_name(dataset)}'", f"cannot be read on this machine: {error}", remedy)
        ]


def check_if_available(
    dataset: Target, /, *, root: Path | str | None = None, registry: Registry | None = None, **options: Any
) -> list[Failure]:
    """Check a dataset like :func:`check_dataset`.

    Raises:
        Unavailable: The data is not in ``root``, or a required option of the dataset is missing.
    """
    folder = Path(root or os.environ.get("GANCTL_DATA_ROOT", "data"))
    return run_check(
        "dataset", dataset, options, registry, lambda subject, findings, _: _check(subject, findings, folder)
    )


def _check(subject: Subject, findings: Findings, root: Path) -> None:
    _check_available(subject, root)
    with findings.collect("when it is read"):
        dataset = subject.make(root=root)
        if isinstance(dataset, Images):
            _check_images(findings, dataset)
            if not findings.failures and not _same(dataset, subject.make(root=root)):
                raise Broken("returns different images, or a different order, each time it is read.", ORDER)
            return
        if not isinstance(dataset, Dataset):
            raise Broken(
                f"is a {type(dataset).__name__}, not ganctl.Images or a ganctl.Dataset.",
                "Return ganctl.Images(x, y, classes), or an object of a class derived from ganctl.Dataset.",
            )
        _check_fingerprint(dataset, subject.make(root=root))
        content, repeated = dataset.read(), subject.make(root=root).read()
        if isinstance(content, Images):
            _check_images(findings, content)
        elif isinstance(content, ImageFiles):
            _check_files(findings, content)
        else:
            raise Broken(
                f"reads a {type(content).__name__}, not ganctl.Images or ganctl.ImageFiles.",
                "Return one of these two from read().",
            )
        if not findings.failures and not _same(content, repeated):
            raise Broken("returns different images, or a different order, each time it is read.", ORDER)
    if not findings.failures and isinstance(dataset, Dataset):
        with findings.collect("with other options"):
            _check_options(subject, dataset, root)


def _check_available(subject: Subject, root: Path) -> None:
    for option in options.of("dataset", subject.factory):
        if option.default is options.MISSING and option.name not in subject.options:
            raise Unavailable(f"The option '{option.name}' ({option.type_name}) is required.")
    try:
        first = subject.make(root=root)
        if isinstance(first, Dataset):
            first.fingerprint()
            first.read()
    except GanctlError as error:
        if error.status == DATA:
            raise Unavailable(str(error).replace("\n", " ")) from error
    except Exception:
        pass  # reported later, with the line number


def _check_fingerprint(first: Dataset, second: Dataset) -> None:
    for method in ("fingerprint", "identity"):
        value, repeated = getattr(first, method)(), getattr(second, method)()
        if not isinstance(value, str) or not value:
            raise Broken(f"has a {method} that is {value!r}, not text.", f"Return a str from {method}().")
        if value != repeated:
            raise Broken(
                f"has a different {method} each time, so cached images are never found.",
                "Compute it from options, file sizes and file times, not from id(), hash() or the current time.",
            )


def _check_images(findings: Findings, images: Images) -> None:
    x, y = images.x, images.y
    if not isinstance(x, Tensor):
        raise Broken(f"has an x that is a {type(x).__name__}, not a tensor.", "Use torch.from_numpy(x).")
    if x.numel() and (reason := wrong_pixels(x, images.range)):
        findings.add(
            f"cannot be used: {reason}.",
            "Use uint8 or uint16, or declare the range: Images(x, range=(0, 1)). ganctl maps the range to [−1, 1].",
        )
    if x.ndim != 4 or 0 in x.shape:
        findings.add(
            f"has x of shape {tuple(x.shape)} instead of N×C×H×W.",
            "For gray images N×H×W, use x.unsqueeze(1).",
        )
    elif x.shape[1] > 4 and x.shape[3] <= 4:
        findings.add(
            f"has x of shape {tuple(x.shape)}, which looks like N×H×W×C instead of N×C×H×W.",
            "Use x.permute(0, 3, 1, 2).contiguous().",
        )
    if images.c is not None:
        _check_conditions(findings, images.c, len(x))
    if y is None:
        return
    if not isinstance(y, Tensor) or y.dtype != torch.int64 or y.shape != (len(x),):
        what = (
            f"{str(y.dtype).removeprefix('torch.')} {tuple(y.shape)}"
            if isinstance(y, Tensor)
            else type(y).__name__
        )
        findings.add(f"has labels of type {what} instead of one int64 per image.", "Use y.to(torch.int64).")
        return
    _check_labels(findings, int(y.min()), int(y.max()), images.classes)


def _check_conditions(findings: Findings, c: Any, n: int) -> None:
    remedy = "Give a tensor with one row per image, of a real dtype that NumPy has."
    if not isinstance(c, Tensor):
        findings.add(f"has conditions that are a {type(c).__name__}, not a tensor.", remedy)
    elif c.ndim == 0 or len(c) != n:
        findings.add(f"has conditions of shape {tuple(c.shape)} for {n} images.", remedy)
    elif c.dtype in (torch.bfloat16, torch.complex64, torch.complex128):
        findings.add(f"has conditions in {str(c.dtype).removeprefix('torch.')}.", remedy)
    elif not bool(c.isfinite().all()):
        findings.add("has conditions that are not finite.", "Remove these images, or replace these values.")


def _check_labels(findings: Findings, low: int, high: int, classes: Any) -> None:
    if low < -1 or (classes and high >= len(classes)):
        findings.add(
            f"has labels from {low} to {high}, but {len(classes) or 'no'} classes.",
            "Number the classes from 0 and list their names in 'classes' in this order. An unlabeled image has −1.",
        )


def _check_files(findings: Findings, files: ImageFiles) -> None:
    if len(files.names) == 0:
        raise Broken(
            "lists no images.", "Raise ganctl.GanctlError(…, status=ganctl.DATA) that names the folder."
        )
    if files.labels is not None:
        if len(files.labels) != len(files.names):
            raise Broken(
                f"has {len(files.labels)} labels for {len(files.names)} images.",
                "Give one label for each name.",
            )
        _check_labels(findings, min(files.labels), max(files.labels), files.classes)
    if files.conditions is not None:
        _check_conditions(findings, torch.as_tensor(files.conditions), len(files.names))
    if files.channels not in (None, 1, 3):
        findings.add(f"has channels={files.channels}.", "Use 1, 3 or None.")
    try:
        opener = pickle.loads(pickle.dumps(files.open))
    except Exception as error:
        raise Broken(
            f"has an 'open' that cannot be sent to worker processes ({type(error).__name__}).",
            "Use a function at module level, or functools.partial of one, instead of a lambda or a local function.",
        ) from error
    block = decode(opener, files.names[:OPENED], 32, files.channels)
    if block.pixels is None:
        name, reason = files.names[block.failed[0][0]], block.failed[0][1]
        raise Broken(f"cannot open its images: {name}: {reason}.", "Return a PIL image from 'open'.")
    again = decode(opener, files.names[:OPENED], 32, files.channels)
    if again.pixels is None or (block.pixels != again.pixels).any():
        raise Broken("opens a different image each time for the same name.", ORDER)


def _check_options(subject: Subject, dataset: Dataset, root: Path) -> None:
    """Check that options that change the data also change the fingerprint, as required by the cache."""
    for option in options.of("dataset", subject.factory):
        value = subject.options.get(option.name, option.default)
        if option.name == "flip" or not isinstance(value, (bool, int)):
            continue
        changed = not value if isinstance(value, bool) else value + 1
        other_subject = dataclasses.replace(subject, options={**subject.options, option.name: changed})
        try:
            other = other_subject.make(root=root)
            if other.fingerprint() != dataset.fingerprint() or _same(dataset.read(), other.read()):
                continue
        except GanctlError as error:
            if error.status not in (DATA, USAGE):
                raise
            continue
        raise Broken(
            f"has the same fingerprint with {option.name}={value} and {option.name}={changed}, but "
            "different data, so the cache would return the wrong data.",
            f"Include {option.name} in fingerprint().",
        )


def _same(first: Any, second: Any) -> bool:
    if type(first) is not type(second):
        return False
    if isinstance(first, Images):
        if first.classes != second.classes or first.range != second.range:
            return False
        return all(_equal(getattr(first, name), getattr(second, name)) for name in ("x", "y", "c"))
    if list(first.names) != list(second.names) or first.classes != second.classes:
        return False
    if (first.conditions is None) != (second.conditions is None):
        return False
    if first.conditions is not None and not _equal(*(torch.as_tensor(f.conditions) for f in (first, second))):
        return False
    if first.labels is not None and (second.labels is None or list(first.labels) != list(second.labels)):
        return False
    size, some = 32, first.names[:OPENED]
    pixels, repeated = (decode(f.open, some, size, f.channels).pixels for f in (first, second))
    return pixels is not None and repeated is not None and bool((pixels == repeated).all())


def _equal(first: Tensor | None, second: Tensor | None) -> bool:
    if first is None or second is None:
        return first is second
    return first.dtype == second.dtype and torch.equal(as_signed(first), as_signed(second))
