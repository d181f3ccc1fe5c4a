"""Latents in a NumPy archive: ``z``, and if there are, ``y`` and ``seed``."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ganctl.errors import DATA, USAGE, GanctlError
from ganctl.system.files import require_parent, write_atomically


class Latents(NamedTuple):
    """``z``: float32 N×dim; ``y``: int64 N, the class of each, or none. Both on the CPU."""

    z: Tensor
    y: Tensor | None = None


def read(path: Path, *, dim: int, num_classes: int = 0) -> Latents:
    """The latents in ``path``: a ``.npz`` with ``z`` and maybe ``y``, or a ``.npy`` that is ``z``. Runs no code of it.

    Args:
        dim: how long each must be.
        num_classes: how many classes G draws; 0 if it draws none, and ``y`` is passed over.

    Raises:
        GanctlError: no such file, not one of NumPy's, or of shapes or values that G cannot take.
    """
    import numpy as np

    try:
        loaded: Any = np.load(path, allow_pickle=False)
        arrays = {name: loaded[name] for name in loaded.files} if hasattr(loaded, "files") else {"z": loaded}
    except OSError as error:
        if error.strerror is None:  # as NumPy says what is no file of its own
            raise _unreadable(path) from error
        raise GanctlError(
            f"Cannot read {path}: {error.strerror}.", "Check that path.", status=DATA
        ) from error
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise _unreadable(path) from error
    if "z" not in arrays:
        raise GanctlError(
            f"{path} has no latents: it holds {', '.join(arrays) or 'nothing'}, and no array 'z'.",
            "ganctl sample --save-latents writes such a file.",
            status=DATA,
        )
    z = arrays["z"]
    if z.ndim == 1:
        z = z[None]
    if z.ndim != 2 or not len(z) or z.shape[1] != dim or z.dtype.kind not in "fiu":
        raise GanctlError(
            f"z in {path} is {_shape(arrays['z'])}, and this model needs N×{dim} numbers.",
            "Latents fit models whose z is as long; this one's length is shown by ganctl explore and in config.toml.",
            status=DATA,
        )
    with np.errstate(over="ignore"):
        z = z.astype(np.float32)
    if not np.isfinite(z).all():
        raise GanctlError(f"z in {path} holds values that are not finite.", "Make it anew.", status=DATA)
    if "y" not in arrays or not num_classes:
        return Latents(torch.from_numpy(z))
    y = arrays["y"].reshape(-1) if arrays["y"].ndim == 0 else arrays["y"]
    if y.shape != z.shape[:1] or y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= num_classes:
        raise GanctlError(
            f"y in {path} is {_shape(arrays['y'])}, and this model needs {len(z)} whole numbers "
            f"from 0 to {num_classes - 1}.",
            "Each is the class of the latent in the same place.",
            status=DATA,
        )
    return Latents(torch.from_numpy(z), torch.from_numpy(y.astype(np.int64)))


def packed(z: Tensor, y: Tensor | None = None, **others: Any) -> bytes:
    """The archive of ``z``, ``y`` if there is one, and ``others``, which are numbers, texts or arrays of them."""
    import numpy as np

    buffer = io.BytesIO()
    arrays: dict[str, Any] = {"z": z.numpy(), **({} if y is None else {"y": y.numpy()}), **others}
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def write(path: Path, z: Tensor, y: Tensor | None = None, **others: Any) -> None:
    """Write :func:`packed` to ``path``, whole or not at all."""
    write_atomically(path, packed(z, y, **others))


def check_path(path: Path) -> None:
    """Raise a GanctlError if latents cannot be written to ``path``; to be called before the work."""
    if path.suffix != ".npz":
        raise GanctlError(
            f"Latents are written as .npz, not as {path}.", f"Try {path.with_suffix('.npz')}", status=USAGE
        )
    require_parent(path)


def _unreadable(path: Path) -> GanctlError:
    return GanctlError(
        f"{path} is not a file of latents, or damaged.",
        "It must be a NumPy archive with an array 'z', as ganctl sample --save-latents writes it.",
        status=DATA,
    )


def _shape(array: Any) -> str:
    size = "×".join(map(str, array.shape)) or "a single value"
    return f"{size} of {array.dtype}"
