"""Read and write latents as NumPy archives with ``z``, and optionally ``y`` and ``seed``."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ganctl.errors import DATA, USAGE, GanctlError
from ganctl.system.files import read_regular, require_parent, write_atomically
from ganctl.system.pasteable_commands import ganctl_pattern, quote


class Latents(NamedTuple):
    """Latents ``z``, float32 N×dim, and their classes ``y``, int64 N or None. Both are on the CPU."""

    z: Tensor
    y: Tensor | None = None


def read(path: Path, *, dim: int, num_classes: int = 0) -> Latents:
    """Read latents from ``path``: a ``.npz`` file with ``z`` and optionally ``y``, or a ``.npy`` file with ``z``.

    Pickled objects are refused, so that no code from the file is run.

    Args:
        dim: required length of each latent.
        num_classes: number of classes of G. If 0, ``y`` is ignored.

    Raises:
        GanctlError: the file does not exist or is not a NumPy file, or the shapes or values do not fit G.
    """
    import numpy as np

    try:
        loaded: Any = np.load(io.BytesIO(read_regular(path)), allow_pickle=False)
        arrays = {name: loaded[name] for name in loaded.files} if hasattr(loaded, "files") else {"z": loaded}
    except OSError as error:
        if error.strerror is None:  # NumPy raises this for a file in another format
            raise _unreadable(path) from error
        raise GanctlError(f"Cannot read {path}: {error.strerror}.", "Check the path.", status=DATA) from error
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise _unreadable(path) from error
    if "z" not in arrays:
        raise GanctlError(
            f"{path} has no array 'z', but only: {', '.join(arrays) or 'nothing'}.",
            f"Write latents with: {ganctl_pattern('sample', '--ckpt', 'RUN', '--save-latents', 'FILE.npz')}",
            status=DATA,
        )
    z = arrays["z"]
    if z.ndim == 1:
        z = z[None]
    if z.ndim != 2 or not len(z) or z.shape[1] != dim or z.dtype.kind not in "fiu":
        raise GanctlError(
            f"z in {path} has the shape {_shape(arrays['z'])}, but this model needs N×{dim} numbers.",
            "Use latents of a model with the same z_dim, as recorded in config.toml.",
            status=DATA,
        )
    with np.errstate(over="ignore"):
        z = z.astype(np.float32)
    if not np.isfinite(z).all():
        raise GanctlError(
            f"z in {path} has values that are not finite.", "Create the file again.", status=DATA
        )
    if "y" not in arrays or not num_classes:
        return Latents(torch.from_numpy(z))
    y = arrays["y"].reshape(-1) if arrays["y"].ndim == 0 else arrays["y"]
    if y.shape != z.shape[:1] or y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= num_classes:
        raise GanctlError(
            f"y in {path} has the shape {_shape(arrays['y'])}, but this model needs {len(z)} integers "
            f"from 0 to {num_classes - 1}.",
            "Give the class of each latent, in the order of z.",
            status=DATA,
        )
    return Latents(torch.from_numpy(z), torch.from_numpy(y.astype(np.int64)))


def to_npz(z: Tensor, y: Tensor | None = None, *, comment: str = "", **others: Any) -> bytes:
    """Return an archive with ``z``, ``y`` unless it is None, and ``others`` (numbers, text, or arrays of them)."""
    return npz({"z": z.numpy(), **({} if y is None else {"y": y.numpy()}), **others}, comment=comment)


def npz(arrays: Mapping[str, Any], *, comment: str = "") -> bytes:
    """Return a NumPy archive of ``arrays`` (or numbers or text), with ``comment`` as the comment of the zip file."""
    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = comment.encode()
    return buffer.getvalue()


def write(path: Path, z: Tensor, y: Tensor | None = None, *, comment: str = "", **others: Any) -> None:
    """Write an archive as from :func:`to_npz` to ``path``, completely or not at all."""
    write_atomically(path, to_npz(z, y, comment=comment, **others))


def check_path(path: Path) -> None:
    """Raise a GanctlError if latents cannot be written to ``path``. Called before samples are generated."""
    if path.suffix != ".npz":
        raise GanctlError(
            f"Latents are written as .npz files, not as {path}.",
            f"Try {quote(path.with_suffix('.npz'))}",
            status=USAGE,
        )
    require_parent(path)


def _unreadable(path: Path) -> GanctlError:
    return GanctlError(
        f"{path} is not a file of latents, or is damaged.",
        "Give a NumPy archive with an array 'z', such as a file written with --save-latents.",
        status=DATA,
    )


def _shape(array: Any) -> str:
    """Return the shape and dtype of ``array`` as text, such as ``"2×8 (float64)"``."""
    return f"{'×'.join(map(str, array.shape)) or '()'} ({array.dtype})"
