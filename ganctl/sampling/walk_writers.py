"""A walk through latent space as a file: one picture, an animation, a folder of pictures, or arrays."""

from __future__ import annotations

import re
from pathlib import Path

from ganctl.errors import USAGE, GanctlError
from ganctl.rendering import animation, grid
from ganctl.sampling import latent_files, writers
from ganctl.sampling.latent_walks import Walk
from ganctl.system.files import require_parent


def check(out: Path, *, animations: bool) -> None:
    """Raise a GanctlError if nothing can be written to ``out``; to be called before the work."""
    suffix = out.suffix.lower()
    if suffix in animation.SUFFIXES and animations:
        animation.check_suffix(out)
    elif suffix and suffix not in (".png", ".npz") and not out.is_dir():
        films = ", .gif or .mp4 (an animation)" if animations else ""
        raise GanctlError(
            f"--out {out}: ganctl writes .png (one picture){films}, .npz (arrays) or a folder here.",
            f"Try --out {out.with_suffix('.png')}",
            status=USAGE,
        )
    if suffix:
        require_parent(out)


def write(
    walk: Walk,
    out: Path,
    *,
    labels: bool = True,
    scale: int | None = None,
    fps: float = animation.FPS,
) -> None:
    """Write ``walk`` as the suffix of ``out`` says; without one, as a folder of a PNG file a picture.

    Args:
        labels: names and values beside the pictures of a ``.png``.
        scale: how large each pixel becomes, in a ``.png`` or an animation.
    """
    suffix = out.suffix.lower()
    if suffix in animation.SUFFIXES:
        animation.save_animation(walk.frames(scale=scale), out, fps)
    elif suffix == ".png":
        grid.save_png(walk.image(labels=labels, scale=scale), out)
    elif suffix == ".npz":
        latent_files.write(
            out,
            walk.z,
            walk.y,
            images=grid.to_uint8(walk.x).permute(0, 2, 3, 1).numpy(),
            rows=[row.name for row in walk.rows for _ in row.values],
            values=[value for row in walk.rows for value in row.values],
        )
    else:
        batches = (grid.to_uint8(row.x) for row in walk.rows)
        writers.write_folder(batches, out, lambda n: None, _suffixes(walk))


def _suffixes(walk: Walk) -> list[str]:
    """``"-5-at--3"`` for the picture of dimension 5 at −3, in letters that every file system takes."""
    texts = [
        f"-{row.name}-at-{value:g}" if row.name else f"-at-{value:g}"
        for row in walk.rows
        for value in row.values
    ]
    return [re.sub(r"[^A-Za-z0-9.-]+", "-", text) for text in texts]
