"""Animations: frames as a GIF or an MP4."""

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
FPS = 20  # GIF durations are in hundredths of a second, so this rate is exact


def save_animation(
    frames: Sequence[np.ndarray[Any, Any]], path: Path, fps: float = FPS, *, comment: str = ""
) -> None:
    """Write ``frames`` to ``path`` atomically. A GIF loops forever.

    Args:
        frames: uint8 arrays H×W×3, or H×W×1 for gray, all of the same size.
        fps: frames per second. In a GIF, the duration of a frame is rounded to hundredths of a second, with at
            most 50 frames per second.
        comment: ASCII text of at most 255 characters that is stored in the file.

    Raises:
        GanctlError: the suffix is neither ``.gif`` nor ``.mp4``, there are no frames, their sizes differ, or the
            package for MP4 is not installed.
    """
    check_suffix(path)
    if not frames or any(frame.shape != frames[0].shape for frame in frames):
        raise GanctlError(
            f"The frames of {path} have the shapes {sorted({f.shape for f in frames})}.",
            "Give one or more frames of the same size.",
        )
    check_fps(fps)
    encode = _gif if path.suffix.lower() == ".gif" else _mp4
    write_atomically(path, encode(frames, fps, comment))


def check_fps(fps: float) -> None:
    """Raise a GanctlError if ``fps`` is not a valid number of frames per second."""
    if not 0 < fps <= 1000:
        raise GanctlError(
            f"The frame rate is {fps}; it must be above 0 and at most 1000.",
            "Use, for example, --fps 20.",
            status=USAGE,
        )


def check_suffix(path: Path) -> None:
    """Raise a GanctlError if ``path`` does not end in ``.gif`` or ``.mp4``, or if the package for MP4 is not installed.

    Call this function before rendering the frames.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise GanctlError(
            f"{path} is not an animation file.",
            "Choose a name that ends in .gif or .mp4.",
            status=USAGE,
        )
    if path.suffix.lower() == ".mp4":
        _pyav()


def _gif(frames: Sequence[np.ndarray[Any, Any]], fps: float, comment: str) -> bytes:
    from PIL import Image

    images = [Image.fromarray(frame[..., 0] if frame.shape[2] == 1 else frame) for frame in frames]
    if images[0].mode == "RGB":
        # Use one palette for all frames and no dithering, because otherwise colors would flicker.
        chosen = images[:: -(-len(images) // 16)]
        column = Image.new("RGB", (chosen[0].width, chosen[0].height * len(chosen)))
        for i, image in enumerate(chosen):
            column.paste(image, (0, i * image.height))
        palette = column.quantize(256)
        images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    buffer = io.BytesIO()
    images[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=images[1:],
        duration=max(2, round(100 / fps)) * 10,  # browsers slow down animations that are faster
        loop=0,
        comment=comment.encode(),
    )
    return buffer.getvalue()


def _mp4(frames: Sequence[np.ndarray[Any, Any]], fps: float, comment: str) -> bytes:
    """Encode as H.264 with 4:2:0 colors. Every player supports this format. It requires even side lengths."""
    import numpy as np

    av = _pyav()
    height, width = frames[0].shape[:2]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        container.metadata["comment"] = comment
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
            "Run pip install 'ganctl[video]', or write a .gif file, which needs no additional package.",
        ) from error
    return av
