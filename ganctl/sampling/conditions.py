"""Conditions for samples: checked against the model, and read from a file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganctl.errors import DATA, USAGE, GanctlError
from ganctl.system.files import read_regular


def checked(c: Tensor, shape: Sequence[int], dtype: torch.dtype | None = None) -> Tensor:
    """Return conditions for a model: N×``shape`` on the CPU. ``c`` may also be a single condition.

    Args:
        dtype: dtype of the conditions of the dataset; None: that of ``c``.

    Raises:
        GanctlError: the shape is wrong, or a value is not finite or cannot have the dtype.
    """
    c = c.detach().cpu()
    if dtype is None and c.dtype == torch.float64:
        dtype = torch.float32
    if list(c.shape) == list(shape):
        c = c[None]
    if list(c.shape[1:]) != list(shape) or not c.ndim or not len(c):
        raise GanctlError(
            f"The conditions have the shape {_text(c.shape)}, but this model needs {_text(['N', *shape])}.",
            "Give one condition per sample, in the form of the dataset's conditions.",
            status=USAGE,
        )
    converted = c if dtype is None else c.to(dtype)
    if not bool(converted.isfinite().all()):
        raise GanctlError(
            "The conditions have values that are not finite.", "Remove these values.", status=USAGE
        )
    if not converted.is_floating_point() and not bool((converted.double() == c.double()).all()):
        raise GanctlError(
            f"The conditions of this model are {str(dtype).removeprefix('torch.')}, and some given values are not.",
            "Give values that this dtype can represent.",
            status=USAGE,
        )
    return converted


def read(path: Path) -> Tensor:
    """Read conditions from a ``.npy`` file, or from a ``.npz`` file with the array ``c`` or with only one array.

    Pickled objects are refused, so that no code from the file is run.

    Raises:
        GanctlError: the file does not exist or does not contain an array of numbers.
    """
    import numpy as np

    try:
        loaded: Any = np.load(io.BytesIO(read_regular(path)), allow_pickle=False)
        arrays = {name: loaded[name] for name in loaded.files} if hasattr(loaded, "files") else {"c": loaded}
    except OSError as error:
        if error.strerror is None:  # NumPy raises this for a file in another format
            raise _unreadable(path) from error
        raise GanctlError(f"Cannot read {path}: {error.strerror}.", "Check the path.", status=DATA) from error
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise _unreadable(path) from error
    array = arrays.get("c", next(iter(arrays.values())) if len(arrays) == 1 else None)
    if array is None:
        raise GanctlError(
            f"{path} has no array 'c', but only: {', '.join(arrays) or 'nothing'}.",
            "Name the array of conditions 'c', or write it to a .npy file.",
            status=DATA,
        )
    if array.dtype.kind not in "bfiu":
        raise _unreadable(path)
    return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("="), ndmin=1))


def _unreadable(path: Path) -> GanctlError:
    return GanctlError(
        f"{path} is not a file of conditions, or is damaged.",
        "Give an array of numbers in a .npy file, or as 'c' in a .npz file.",
        status=DATA,
    )


def _text(shape: Sequence[object]) -> str:
    return "×".join(map(str, shape)) or "a number"
