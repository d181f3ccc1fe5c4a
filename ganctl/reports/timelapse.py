"""The sample pictures of a run one after the other: the same latents through all epochs. Free of torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganctl.errors import USAGE, GanctlError
from ganctl.rendering.animation import check_suffix, save_animation
from ganctl.runs import history
from ganctl.runs.history import Frame
from ganctl.system.progress import NullReporter, Reporter

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

WIDTH = 480  # pixels that a small picture is enlarged to, about
CAPTION = 24  # pixels


def make(
    run: Path,
    out: Path,
    *,
    fps: float = 4.0,
    captions: bool = False,
    scale: int | None = None,
    hold: float = 2.0,
    reporter: Reporter | None = None,
) -> int:
    """Write ``out``, .gif or .mp4.

    Args:
        captions: put epoch and step below.
        scale: how many times as large; small pictures about WIDTH unless given.
        hold: seconds that the last picture stays.

    Returns:
        How many pictures it shows.

    Raises:
        GanctlError: ``run`` is no run, has no pictures, or ``out`` cannot be written.
    """
    check_suffix(out)
    reporter = reporter or NullReporter()
    frames = history.read(run).frames
    if not frames:
        raise GanctlError(f"{run} has no sample pictures.", "They come with the training.", status=USAGE)
    pictures: list[np.ndarray[Any, Any]] = []
    with reporter.bar("pictures", len(frames)) as advance:
        for frame in frames:
            try:
                pictures.append(_picture(frame, captions, scale))
            except OSError as error:
                raise GanctlError(
                    f"{frame.path} cannot be read: {error}.", "Delete it, and try again."
                ) from error
            advance(1)
    pictures += pictures[-1:] * round(hold * fps)
    save_animation(pictures, out, fps)
    return len(frames)


def _picture(frame: Frame, captions: bool, scale: int | None) -> np.ndarray[Any, Any]:
    import numpy as np

    image = frame.open()
    times = scale or max(1, round(WIDTH / image.width))
    image = image.resize((image.width * times, image.height * times), resample=0)
    if captions:
        image = _captioned(image, f"epoch {frame.epoch:g}   step {frame.step:,}")
    pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _captioned(image: Image, text: str) -> Image:
    """``image`` with a line of text below."""
    from PIL import Image as Images
    from PIL import ImageDraw, ImageFont

    taller = Images.new(image.mode, (image.width, image.height + CAPTION))
    taller.paste(image)
    white: Any = 255 if image.mode == "L" else (255, 255, 255)
    ImageDraw.Draw(taller).text(
        (8, image.height + CAPTION / 2), text, fill=white, font=ImageFont.load_default(14), anchor="lm"
    )
    return taller
