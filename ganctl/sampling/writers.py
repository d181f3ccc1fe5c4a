"""Write samples to files: a grid, an array, or a folder of PNG files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from ganctl.data.pixels import concatenate
from ganctl.errors import USAGE, GanctlError
from ganctl.rendering import grid
from ganctl.sampling import latent_files
from ganctl.sampling.latent_files import Latents
from ganctl.sampling.sampler import Sampler
from ganctl.system.files import disk_error, require_parent, write_atomically
from ganctl.system.memory import Demand, allocating
from ganctl.system.processors import usable_processors
from ganctl.system.progress import Reporter
from ganctl.training.generate_samples import rows_of_classes


def write_samples(
    sampler: Sampler,
    n: int,
    out: Path,
    *,
    seed: int = 0,
    classes: list[int] | None = None,
    code: str | None = None,
    nrow: int | None = None,
    scale: int = 1,
    batch_size: int = 64,
    truncation: float | None = None,
    latents: Latents | None = None,
    save_latents: Path | None = None,
    comment: str = "",
    reporter: Reporter,
) -> None:
    """Generate ``n`` samples and write them to ``out``: a grid (.png), an array (.npz), or a folder of PNG files.

    PNG files have 8 bits and at most three channels, see :func:`ganctl.rendering.grid.to_pil`. An array has the dtype
    and the range of the dataset. Conditions are those of the sampler, the same for each class or value of a code.

    Args:
        seed: seed of the latents.
        classes: generate ``n`` samples of each of these classes, with the same latents. In a grid, each class is a row.
        code: generate ``n`` samples of each value of this code, as in :meth:`ganctl.Codes.with_code`. In a grid, each
            value is a row.
        nrow: number of samples per row of a grid. Default: as square as possible.
        scale: width and height of each pixel of a sample in PNG files.
        batch_size: number of samples that are generated at a time.
        truncation: truncation of the latents of ``seed``.
        latents: use the first ``n`` of these latents, and their classes, instead of those of ``seed``.
        save_latents: a ``.npz`` file to which the latents and classes are also written.
        comment: text in the files, except in those of a folder.

    Raises:
        GanctlError: the folder ``out`` is not empty, or ``out`` cannot be written.
    """
    if out.suffix in (".png", ".npz"):
        require_parent(out)
    if save_latents is not None:
        latent_files.check_path(save_latents)
    drawn = Demand(f"{n:,} latents of length {sampler.latent.dim}", n * sampler.latent.dim * 8, "Reduce --n.")
    with allocating(drawn):
        z, y = latents or Latents(sampler.latents(n, seed=seed, truncation=truncation))
    if n > len(z):
        raise GanctlError(
            f"{n} samples need {n} latents, but there are only {len(z)}.", "Omit --n.", status=USAGE
        )
    z, y = z[:n], None if y is None else y[:n]
    c = sampler.conditions_in_turn(n)
    if y is None and c is not None and sampler.conditional:
        y = sampler.default_classes(n)  # the classes of the images that the conditions belong to
    if classes:
        z, y = rows_of_classes(z, classes)
        nrow = nrow or (n if len(classes) > 1 else None)
    if code is not None:
        varied = sampler.with_code(z, code)
        z, y = varied.flatten(0, 1), None if y is None else y.repeat(len(varied))
        nrow = nrow or (n if len(varied) > 1 else None)
    pixels = math.prod(sampler.image)
    in_memory = (
        len(z) * pixels * 3 * sampler.pixels.dtype.itemsize if out.suffix in (".png", ".npz") else 0
    )  # the batches, one array, and the file
    fewer = "Reduce --n, or write a folder of images: --out DIR"
    demands = [
        Demand(f"{len(z):,} samples of {sampler.image}", in_memory, fewer),
        Demand(
            f"batches of {min(batch_size, len(z)):,} samples of {sampler.image}",
            min(batch_size, len(z)) * pixels * 4,
            "Reduce --batch-size.",
        ),
    ]
    if y is None and sampler.conditional:
        y = sampler.default_classes(len(z))
    with allocating(*demands), reporter.bar("Generating samples", len(z)) as advance:
        samples = sampler.generate(z, y, c=c, batch_size=batch_size)
        batches = (grid.to_uint8(x) for x in samples)
        if out.suffix == ".npz":
            arrays = map(sampler.pixels.unscaled, samples)
            write_npz(concatenate(_advancing(arrays, advance)), out, seed=seed, comment=comment)
        elif out.suffix == ".png":
            x = torch.cat(list(_advancing(batches, advance)))
            image = grid.grid(grid.enlarge(x, scale), nrow)
            grid.save_png(image, out, comment=comment)
        else:
            write_folder((grid.enlarge(x, scale) for x in batches), out, advance)
    reporter.say(f"Wrote {len(z)} sample{'s' if len(z) > 1 else ''} to {out}")
    if save_latents is not None:
        source = {} if latents is not None else {"seed": seed}
        latent_files.write(save_latents, z, y, comment=comment, **source)
        reporter.say(f"Wrote their latents to {save_latents}")


def write_npz(x: Tensor, path: Path, *, seed: int, comment: str = "") -> None:
    """Write images (N×C×H×W) to a NumPy archive with ``images`` (N×H×W×C) and ``seed``."""
    arrays = {"images": x.permute(0, 2, 3, 1).numpy(), "seed": seed}
    write_atomically(path, latent_files.npz(arrays, comment=comment))


def write_folder(
    batches: Iterable[Tensor], folder: Path, advance: Callable[[int], None], suffixes: Sequence[str] = ()
) -> None:
    """Write uint8 batches as ``00000.png``, ``00001.png``, … to ``folder``, which must be empty or new.

    Args:
        suffixes: text after the number of each file, as in ``00000-left.png``. Default: no text.

    Raises:
        GanctlError: the folder is not empty or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise GanctlError(
                f"The folder {folder} is not empty.",
                "Choose another folder, so that old and new samples are not mixed.",
                status=USAGE,
            )
        with ThreadPoolExecutor(usable_processors()) as threads:  # zlib releases the interpreter's lock
            count = 0
            for batch in batches:
                numbers = range(count, count + len(batch))
                paths = [folder / f"{i:05d}{suffixes[i] if suffixes else ''}.png" for i in numbers]
                list(threads.map(lambda image, path: grid.to_pil(image).save(path), batch, paths))
                count += len(batch)
                advance(len(batch))
    except OSError as error:
        raise disk_error(folder, error) from error


def _advancing(batches: Iterable[Tensor], advance: Callable[[int], None]) -> Iterator[Tensor]:
    for batch in batches:
        yield batch
        advance(len(batch))
