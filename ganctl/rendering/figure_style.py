"""The style of ganctl's figures, which is independent of the user's matplotlib settings."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Colors of Okabe and Ito (2008) for color-blind readers. Their yellow is omitted because it is too light for lines.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
#: Markers that distinguish lines in grayscale.
MARKERS = ("o", "s", "^", "D", "v", "X", "P")
SOLID, DASHED = "-", (0, (4, 2))

#: Differences from matplotlib's defaults. Text in PDF and SVG files remains text, so it can be searched and edited.
STYLE: Any = {
    "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 8, "ytick.labelsize": 8,
    "legend.fontsize": 8, "legend.frameon": False, "legend.handlelength": 2.2, "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.0,
    "axes.linewidth": 0.6, "axes.spines.top": False, "axes.spines.right": False, "lines.linewidth": 1.2,
    "lines.markersize": 3.5, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "axes.grid": True,
    "grid.alpha": 0.3, "grid.linewidth": 0.5, "pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "ganctl",
}  # fmt: skip


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw and encode figures with matplotlib's defaults and ``STYLE``.

    The user's matplotlibrc, style sheets and ``rcParams`` have no effect inside the context and are unchanged
    afterward. Figures are created with :class:`matplotlib.figure.Figure`, not with pyplot, which needs a backend.
    """
    _import_matplotlib()
    from matplotlib import rc_context, rcParamsDefault

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about deprecated settings and missing glyphs
        defaults: dict[Any, Any] = {k: v for k, v in rcParamsDefault.items() if k != "backend"}
        with rc_context({**defaults, **STYLE}):
            yield


def encode(figure: Figure, file_format: str, dpi: float = 300) -> bytes:
    """Return the content of an image file. It contains no date, so equal figures produce equal files.

    Args:
        file_format: ``pdf``, ``svg`` or ``png``.
        dpi: dots per inch of a PNG file.
    """
    metadata: dict[str, Any] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
    buffer = io.BytesIO()
    with figure_style():
        for image in (image for axes in figure.axes for image in axes.images):
            # Vector formats keep the original pixels. PNG files have another resolution, so images are resampled.
            image.set_interpolation("antialiased" if file_format == "png" else "none")
        figure.savefig(buffer, format=file_format, dpi=dpi, metadata=metadata[file_format])
    return buffer.getvalue()


def _import_matplotlib() -> None:
    """Import matplotlib even if ``MPLBACKEND`` is invalid or the user's matplotlibrc cannot be read."""
    if "matplotlib" in sys.modules:
        return
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        try:
            import matplotlib
        except (OSError, ValueError):  # ValueError: not UTF-8
            for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
                del sys.modules[name]  # remove the partially imported package
            settings = os.environ.get("MATPLOTLIBRC")
            os.environ["MATPLOTLIBRC"] = os.devnull
            try:
                import matplotlib
            finally:
                del os.environ["MATPLOTLIBRC"]
                if settings is not None:
                    os.environ["MATPLOTLIBRC"] = settings
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend:
        with suppress(ValueError):  # restore the backend for pyplot in the user's notebook
            matplotlib.rcParams["backend"] = backend
