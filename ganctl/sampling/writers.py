"""Samples as files: a grid, an array, or a folder of PNG files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganctl.errors import USAGE, GanctlError
from ganctl.rendering import grid as pictures
from ganctl.sampling import latent_files
from ganctl.sampling.latent_files import Latents
from ganctl.sampling.sampler import Sampler
from ganctl.system.files import disk_error, require_parent, write_atomically
from ganctl.system.processors import usable_processors
from ganctl.system.progress import Reporter
from ganctl.training.generate import rows_of_classes

if TYPE_CHECKING:
    pass


def draw(
    sampler: Sampler,
    n: int,
    out: Path,
    *,
    seed: int = 0,
    classes: list[int] | None = None,
    code: str | None = None,
    nrow: int | None = None,
    batch_size: int = 64,
    truncation: float | None = None,
    latents: Latents | None = None,
    save_latents: Path | None = None,
    reporter: Reporter,
) -> None:
    """Write ``n`` pictures to ``out``: a grid (.png), an array (.npz), or else a folder of PNG files.

    Args:
        latents: the first ``n`` of these in place of those of ``seed``, with their classes if they have any.
        save_latents: also write what was drawn from, with its classes, to this ``.npz``.
        classes: draw ``n`` of each of these, of the same latents; in a grid, a row a class.
        code: draw ``n`` of each value that this asks for, as :meth:`ganctl.Codes.with_code` has it; a row a value.

    Raises:
        GanctlError: the folder has something in it, or ``out`` cannot be written.
    """
    if out.suffix in (".png", ".npz"):
        require_parent(out)
    if save_latents is not None:
        latent_files.check_path(save_latents)
    z, y = latents or Latents(sampler.latents(n, seed=seed, truncation=truncation))
    if n > len(z):
        raise GanctlError(
            f"{n} pictures need as many latents, and there are {len(z)}.", "Leave --n out.", status=USAGE
        )
    z, y = z[:n], None if y is None else y[:n]
    if classes:
        z, y = rows_of_classes(z, classes)
        nrow = nrow or (n if len(classes) > 1 else None)
    if code is not None:
        varied = sampler.with_code(z, code)
        z, y = varied.flatten(0, 1), None if y is None else y.repeat(len(varied))
        nrow = nrow or (n if len(varied) > 1 else None)
    with reporter.bar("sampling", len(z)) as advance:
        batches = (pictures.to_uint8(x) for x in sampler.generate(z, y, batch_size=batch_size))
        if out.suffix not in (".png", ".npz"):
            write_folder(batches, out, advance)
        else:
            parts = []
            for part in batches:
                parts.append(part)
                advance(len(part))
            x = torch.cat(parts)
            if out.suffix == ".npz":
                write_npz(x, out, seed=seed)
            else:
                pictures.save_png(pictures.grid(x, nrow), out)
    reporter.say(f"{len(z)} picture{'s' if len(z) > 1 else ''} in {out}")
    if save_latents is not None:
        if y is None and sampler.conditional:
            y = sampler.classes_in_turn(len(z))
        source = {} if latents is not None else {"seed": seed}
        latent_files.write(save_latents, z, y, **source)
        reporter.say(f"Their latents in {save_latents}")


def write_npz(x: Tensor, path: Path, *, seed: int) -> None:
    """uint8 N×C×H×W images as a NumPy archive: ``images`` N×H×W×C and ``seed``."""
    import io

    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, images=x.permute(0, 2, 3, 1).numpy(), seed=seed)
    write_atomically(path, buffer.getvalue())


def write_folder(
    batches: Iterable[Tensor], folder: Path, advance: Callable[[int], None], suffixes: Sequence[str] = ()
) -> None:
    """uint8 batches as ``00000.png``, ``00001.png``, … in ``folder``, which must be empty or new.

    Args:
        suffixes: what follows the number of each, as in ``00000-left.png``; nothing unless given.

    Raises:
        GanctlError: it has something in it, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise GanctlError(
                f"The folder {folder} is not empty.",
                "Old pictures would mix with new ones: choose another.",
                status=USAGE,
            )
        with ThreadPoolExecutor(usable_processors()) as threads:  # zlib works without the interpreter's lock
            count = 0
            for batch in batches:
                numbers = range(count, count + len(batch))
                paths = [folder / f"{i:05d}{suffixes[i] if suffixes else ''}.png" for i in numbers]
                list(threads.map(lambda image, path: pictures.to_pil(image).save(path), batch, paths))
                count += len(batch)
                advance(len(batch))
    except OSError as error:
        raise disk_error(folder, error) from error
