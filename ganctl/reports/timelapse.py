"""An animation of a run's samples over the epochs. It does not need torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganctl.errors import USAGE, GanctlError
from ganctl.rendering.animation import check_suffix, save_animation
from ganctl.runs import read_run
from ganctl.runs.read_run import Frame
from ganctl.system.progress import NullReporter, Reporter

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

TARGET_WIDTH = 480  # pixels; the default scale approximates this width
CAPTION_HEIGHT = 24  # pixels


def save_timelapse(
    run: Path,
    out: Path,
    *,
    fps: float = 4.0,
    captions: bool = False,
    scale: int | None = None,
    hold: float = 2.0,
    comment: str = "",
    reporter: Reporter | None = None,
) -> int:
    """Write an animation of a run's samples over the epochs.

    Args:
        run: the run folder.
        out: a file that ends in ``.gif`` or ``.mp4``.
        fps: frames per second.
        captions: if True, show the epoch and step below each frame.
        scale: integer magnification of the sample grids. By default, frames are about TARGET_WIDTH pixels wide.
        hold: additional time to show the last frame, in seconds.
        comment: ASCII text of at most 255 characters that is stored in the file.

    Returns:
        The number of sample grids.

    Raises:
        GanctlError: ``run`` is not a run folder or has no samples, or ``out`` cannot be written.
    """
    check_suffix(out)
    reporter = reporter or NullReporter()
    frames = read_run.read(run).frames
    if not frames:
        raise GanctlError(
            f"{run} has no samples.",
            "Start training first. Samples are saved before the first step.",
            status=USAGE,
        )
    images: list[np.ndarray[Any, Any]] = []
    with reporter.bar("samples", len(frames)) as advance:
        for frame in frames:
            try:
                images.append(_draw(frame, captions, scale))
            except OSError as error:
                raise GanctlError(
                    f"{frame.path} cannot be read: {error}.", "Delete the file and try again."
                ) from error
            advance(1)
    images += images[-1:] * round(hold * fps)
    save_animation(images, out, fps, comment=comment)
    return len(frames)


def _draw(frame: Frame, captions: bool, scale: int | None) -> np.ndarray[Any, Any]:
    import numpy as np

    image = frame.open()
    scale = scale or max(1, round(TARGET_WIDTH / image.width))
    image = image.resize((image.width * scale, image.height * scale), resample=0)
    if captions:
        image = _add_caption(image, f"epoch {frame.epoch:g}   step {frame.step:,}")
    pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _add_caption(image: Image, text: str) -> Image:
    """Return ``image`` with a line of text below it."""
    from PIL import Image as Images
    from PIL import ImageDraw, ImageFont

    extended = Images.new(image.mode, (image.width, image.height + CAPTION_HEIGHT))
    extended.paste(image)
    white: Any = 255 if image.mode == "L" else (255, 255, 255)
    ImageDraw.Draw(extended).text(
        (8, image.height + CAPTION_HEIGHT / 2), text, fill=white, font=ImageFont.load_default(14), anchor="lm"
    )
    return extended
