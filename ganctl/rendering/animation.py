"""Pictures one after the other, as a GIF or an MP4."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganctl.errors import USAGE, GanctlError
from ganctl.system.files import write_atomically

if TYPE_CHECKING:
    import numpy as np

SUFFIXES = (".gif", ".mp4")
FPS = 20  # a GIF counts time in hundredths of a second, so that this is kept exactly


def save_animation(frames: Sequence[np.ndarray[Any, Any]], path: Path, fps: float = FPS) -> None:
    """Write ``frames`` to ``path``, whole or not at all; a GIF repeats for ever.

    Args:
        frames: uint8 H×W×3, or H×W×1 for gray; all of one size.
        fps: frames a second. A GIF has it to the nearest hundredth of a second a frame, and at most 50.

    Raises:
        GanctlError: neither ``.gif`` nor ``.mp4``; no frames or of unlike sizes; or the package for MP4 is missing.
    """
    check_suffix(path)
    if not frames or any(frame.shape != frames[0].shape for frame in frames):
        raise GanctlError(
            f"{path} needs frames of one size.",
            f"There are {len(frames)}, of the sizes {sorted({f.shape for f in frames})}.",
        )
    check_fps(fps)
    write_atomically(path, _gif(frames, fps) if path.suffix.lower() == ".gif" else _mp4(frames, fps))


def check_fps(fps: float) -> None:
    """Raise a GanctlError if there cannot be ``fps`` frames a second."""
    if not 0 < fps <= 1000:
        raise GanctlError(
            f"{fps} frames a second cannot be written.", "Give more than 0 and at most 1000.", status=USAGE
        )


def check_suffix(path: Path) -> None:
    """Raise a GanctlError if ``path`` names no animation, or one that cannot be made here.

    To be called before the pictures are drawn.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise GanctlError(f"{path} names no animation.", "Its name must end in .gif or .mp4.", status=USAGE)
    if path.suffix.lower() == ".mp4":
        _pyav()


def _gif(frames: Sequence[np.ndarray[Any, Any]], fps: float) -> bytes:
    from PIL import Image

    pictures = [Image.fromarray(frame[..., 0] if frame.shape[2] == 1 else frame) for frame in frames]
    if pictures[0].mode == "RGB":
        # One palette for all, without dithering: colors that jump from frame to frame look like noise.
        some = pictures[:: -(-len(pictures) // 16)]
        sheet = Image.new("RGB", (some[0].width, some[0].height * len(some)))
        for i, picture in enumerate(some):
            sheet.paste(picture, (0, i * picture.height))
        palette = sheet.quantize(256)
        pictures = [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=max(2, round(100 / fps)) * 10,  # browsers slow down what is faster
        loop=0,
    )
    return buffer.getvalue()


def _mp4(frames: Sequence[np.ndarray[Any, Any]], fps: float) -> bytes:
    """H.264 in the color format that every player shows, which wants even sides."""
    import numpy as np

    av = _pyav()
    height, width = frames[0].shape[:2]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        rate = Fraction(fps).limit_denominator(1000)
        stream = container.add_stream("libx264", rate=rate, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        for frame in frames:
            even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            color = np.ascontiguousarray(np.broadcast_to(even, (*even.shape[:2], 3)))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(color, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def _pyav() -> Any:
    try:
        import av
    except ImportError as error:
        raise GanctlError(
            "MP4 needs the package PyAV, which is not installed.",
            "pip install 'ganctl[video]'  Or write a .gif, which needs nothing.",
        ) from error
    return av
