"""What every dataset must fulfil."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganctl.data.decoding import decode
from ganctl.dataset import Dataset, ImageFiles, Images
from ganctl.errors import DATA, USAGE, GanctlError
from ganctl.plugin import options
from ganctl.testing.findings import Broken, Findings, NotHere, Subject

PICTURES = 32  # of a long list, so many are opened
ORDER = "Read in one order, as by sorted(), and draw random numbers from a generator of a fixed seed."


def check(subject: Subject, findings: Findings, root: Path) -> None:
    """Say in ``findings`` what ``subject`` does not fulfil.

    Raises:
        NotHere: the data does not lie below ``root``, or the dataset has an option that must be given.
    """
    try:
        _needs(subject)
        first = subject.make(root=root)
        if isinstance(first, Dataset):
            first.fingerprint()
            first.read()
    except GanctlError as error:
        if error.status == DATA:
            raise NotHere(str(error).replace("\n", " ")) from error
    except NotHere:
        raise
    except Exception:
        pass  # told below, with its line
    with findings.during("when it is read"):
        dataset = subject.make(root=root)
        if isinstance(dataset, Images):
            _check_images(findings, dataset)
            if not findings.failures and not _same(dataset, subject.make(root=root)):
                raise Broken("is in another order, or another, each time it is read.", ORDER)
            return
        if not isinstance(dataset, Dataset):
            raise Broken(
                f"is a {type(dataset).__name__}, not ganctl.Images or a ganctl.Dataset.",
                "Return ganctl.Images(x, y, classes), or an object of a class derived from ganctl.Dataset.",
            )
        _check_fingerprint(dataset, subject.make(root=root))
        content, again = dataset.read(), subject.make(root=root).read()
        if isinstance(content, Images):
            _check_images(findings, content)
        elif isinstance(content, ImageFiles):
            _check_pictures(findings, content)
        else:
            raise Broken(
                f"reads a {type(content).__name__}, not ganctl.Images or ganctl.ImageFiles.",
                "Return one of them from read().",
            )
        if not findings.failures and not _same(content, again):
            raise Broken("is in another order, or another, each time it is read.", ORDER)
    if not findings.failures and isinstance(dataset, Dataset):
        with findings.during("with other options"):
            _check_options(subject, dataset, root)


def _needs(subject: Subject) -> None:
    for option in options.of(subject.factory):
        if option.default is options.MISSING and option.name not in subject.options:
            raise NotHere(f"It needs the option '{option.name}' ({option.type_name}).")


def _check_fingerprint(first: Dataset, second: Dataset) -> None:
    for method in ("fingerprint", "identity"):
        one, other = getattr(first, method)(), getattr(second, method)()
        if not isinstance(one, str) or not one:
            raise Broken(f"has a {method} that is {one!r}, not text.", f"Return a str from {method}().")
        if one != other:
            raise Broken(
                f"has another {method} each time, so that the cache never finds it.",
                "Make it of what the data depends on: options, file sizes and times; not of id(), hash() or the time.",
            )


def _check_images(findings: Findings, images: Images) -> None:
    x, y = images.x, images.y
    if not isinstance(x, Tensor):
        raise Broken(f"has an x that is a {type(x).__name__}, not a tensor.", "Use torch.from_numpy(x).")
    if x.dtype != torch.uint8:
        findings.say(
            f"has x in {str(x.dtype).removeprefix('torch.')}: it should be uint8, 0 to 255.",
            "For x from 0 to 1: x.mul(255).round().to(torch.uint8). ganctl itself scales it to [−1, 1].",
        )
    if x.ndim != 4 or 0 in x.shape:
        findings.say(
            f"has x of shape {tuple(x.shape)}: it should be N×C×H×W.",
            "Gray images N×H×W need x.unsqueeze(1).",
        )
    elif x.shape[1] > 4 and x.shape[3] <= 4:
        findings.say(
            f"has x of shape {tuple(x.shape)}, which looks like N×H×W×C: it should be N×C×H×W.",
            "Use x.permute(0, 3, 1, 2).contiguous().",
        )
    if y is None:
        return
    if not isinstance(y, Tensor) or y.dtype != torch.int64 or y.shape != (len(x),):
        what = (
            f"{str(y.dtype).removeprefix('torch.')} {tuple(y.shape)}"
            if isinstance(y, Tensor)
            else type(y).__name__
        )
        findings.say(
            f"has labels that are {what}: they should be int64, one an image.", "Use y.to(torch.int64)."
        )
        return
    _check_labels(findings, int(y.min()), int(y.max()), images.classes)


def _check_labels(findings: Findings, low: int, high: int, classes: Any) -> None:
    if low < 0 or (classes and high >= len(classes)):
        findings.say(
            f"has labels from {low} to {high}, but {len(classes) or 'no'} classes: "
            f"they should lie from 0 to {len(classes) - 1 if classes else 'the number of classes less 1'}.",
            "Number the classes from 0, and name each in 'classes', in that order.",
        )


def _check_pictures(findings: Findings, pictures: ImageFiles) -> None:
    if len(pictures.names) == 0:
        raise Broken(
            "names no picture.", "Raise ganctl.GanctlError(…, status=ganctl.DATA) saying where it looked."
        )
    if pictures.labels is not None:
        if len(pictures.labels) != len(pictures.names):
            raise Broken(
                f"has {len(pictures.labels)} labels for {len(pictures.names)} pictures.",
                "Give one label a name.",
            )
        _check_labels(findings, min(pictures.labels), max(pictures.labels), pictures.classes)
    if pictures.channels not in (None, 1, 3):
        findings.say(f"has channels={pictures.channels}.", "Give 1, 3 or None.")
    try:
        opener = pickle.loads(pickle.dumps(pictures.open))
    except Exception as error:
        raise Broken(
            f"has an 'open' that cannot be sent to worker processes ({type(error).__name__}).",
            "Use a function at module level, or functools.partial of one, in place of a lambda or a local function.",
        ) from error
    block = decode(opener, pictures.names[:PICTURES], 32, pictures.channels)
    if block.pixels is None:
        name, why = pictures.names[block.broken[0][0]], block.broken[0][1]
        raise Broken(f"cannot open its pictures: {name}: {why}.", "Return a PIL image from 'open'.")
    again = decode(opener, pictures.names[:PICTURES], 32, pictures.channels)
    if again.pixels is None or (block.pixels != again.pixels).any():
        raise Broken("opens another picture each time under one name.", ORDER)


def _check_options(subject: Subject, dataset: Dataset, root: Path) -> None:
    """Other data under one fingerprint would be taken from the cache as if it were this."""
    for option in options.of(subject.factory):
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
            f"has the same fingerprint with {option.name}={value} and {option.name}={changed}, but other data: "
            "the cache would mix them up.",
            f"Put {option.name} into fingerprint().",
        )


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, Images):
        labels_equal = (one.y is None) == (other.y is None) and (one.y is None or torch.equal(one.y, other.y))
        return torch.equal(one.x, other.x) and labels_equal and one.classes == other.classes
    if list(one.names) != list(other.names) or one.classes != other.classes:
        return False
    if one.labels is not None and (other.labels is None or list(one.labels) != list(other.labels)):
        return False
    size, some = 32, one.names[:PICTURES]
    mine, theirs = (decode(p.open, some, size, p.channels).pixels for p in (one, other))
    return mine is not None and theirs is not None and bool((mine == theirs).all())
