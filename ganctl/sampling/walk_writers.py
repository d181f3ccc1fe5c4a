"""Write latent walks to files: one image, an animation, a folder of images, or arrays."""

from __future__ import annotations

import re
from pathlib import Path

from ganctl.errors import USAGE, GanctlError
from ganctl.rendering import animation, grid
from ganctl.sampling import latent_files, writers
from ganctl.sampling.walk_result import Walk
from ganctl.system.files import require_parent
from ganctl.system.pasteable_commands import quote


def check_path(out: Path, *, animations: bool) -> None:
    """Raise a GanctlError if a walk cannot be written to ``out``. Called before samples are generated.

    Args:
        animations: whether animations are allowed.
    """
    suffix = out.suffix.lower()
    if suffix in animation.SUFFIXES and animations:
        animation.check_suffix(out)
    elif suffix and suffix not in (".png", ".npz") and not out.is_dir():
        animated = ", .gif or .mp4 (an animation)" if animations else ""
        raise GanctlError(
            f"--out {out}: this command writes .png (one image){animated}, .npz (arrays), or a folder.",
            f"Try --out {quote(out.with_suffix('.png'))}",
            status=USAGE,
        )
    if suffix:
        require_parent(out)


def write_walk(
    walk: Walk,
    out: Path,
    *,
    labels: bool = True,
    scale: int | None = None,
    fps: float = animation.FPS,
    comment: str = "",
) -> None:
    """Write ``walk`` in the format of the suffix of ``out``, or as a folder of PNG files if there is no suffix.

    Args:
        labels: add names and values to a ``.png`` file.
        scale: factor by which samples are enlarged, except in a ``.npz`` file.
        fps: frames per second of an animation.
        comment: text in the file, except in those of a folder.
    """
    suffix = out.suffix.lower()
    if suffix in animation.SUFFIXES:
        animation.save_animation(walk.frames(scale=scale), out, fps, comment=comment)
    elif suffix == ".png":
        grid.save_png(walk.image(labels=labels, scale=scale), out, comment=comment)
    elif suffix == ".npz":
        latent_files.write(
            out,
            walk.z,
            walk.y,
            images=walk.pixels.unscaled(walk.x).permute(0, 2, 3, 1).numpy(),
            rows=[row.name for row in walk.rows for _ in row.values],
            values=[value for row in walk.rows for value in row.values],
            comment=comment,
        )
    else:
        batches = (grid.enlarge(grid.to_uint8(row.x), scale or 1) for row in walk.rows)
        writers.write_folder(batches, out, lambda n: None, _name_suffixes(walk))


def _name_suffixes(walk: Walk) -> list[str]:
    """Return a suffix for each file name, such as ``"-5-at--3"``, in characters that every file system accepts."""
    texts = [
        f"-{row.name}-at-{value:g}" if row.name else f"-at-{value:g}"
        for row in walk.rows
        for value in row.values
    ]
    return [re.sub(r"[^A-Za-z0-9.-]+", "-", text) for text in texts]
