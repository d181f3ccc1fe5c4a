"""The notebook view of a run: progress, newest samples, curves and problems."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from ganctl.rendering.column_titles import COLUMNS, title
from ganctl.reports import content, samples_over_epochs, training_problems
from ganctl.reports.page import data_uri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganctl.runs.read_run import History

WIDTH, HEIGHT = 260, 64  # pixels of a curve
#: Colors of the curves, which are visible on white and on black.
COLORS = dict(zip(COLUMNS, ("#4f7fe8", "#d9604c", "#2fa36f", "#b07ce0"), strict=True))


def card(h: History) -> str:
    """Return the notebook view of a run as HTML without scripts."""
    series = samples_over_epochs.collect([h], megabytes=1.0).series[0]
    words = " · ".join([content.STATES[h.state], *content.progress(h)])
    parts = [f"<b>{escape(h.name)}</b><br><span style='opacity:.75'>{escape(words)}</span>"]
    columns = []
    if series.images:
        columns.append(_image(series.images[-1], f"Samples of {h.name}", content.caption(series.frames[-1])))
    if series.real:
        columns.append(_image(series.real, "Real images", "reals"))
    curves = "".join(_curve(title(name), color, h.column(name)) for name, color in COLORS.items())
    columns.append(f"<div>{curves}</div>")
    parts.append(f"<div style='display:flex;flex-wrap:wrap;gap:16px;margin:8px 0'>{''.join(columns)}</div>")
    problems = [f for f in training_problems.detect(h, series) if f.level in ("bad", "warn")]
    parts += [f"<div>{escape(f'{problem.text} {problem.advice}'.strip())}</div>" for problem in problems]
    return (
        f"<div style='font-family:system-ui,sans-serif;font-size:13px;line-height:1.5'>{''.join(parts)}</div>"
    )


def _image(image: bytes, alt: str, caption: str) -> str:
    return (
        f"<figure style='margin:0'><img src='{data_uri(image)}' alt='{escape(alt, quote=True)}' "
        f"style='width:260px;image-rendering:pixelated;border-radius:4px'>"
        f"<figcaption style='opacity:.75'>{escape(caption)}</figcaption></figure>"
    )


def _curve(heading: str, color: str, values: Sequence[float]) -> str:
    """Return a small chart with its last value, or nothing if no value is finite."""
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return ""
    low, span, n = min(finite), (max(finite) - min(finite)) or 1.0, max(len(values) - 1, 1)
    step = max(1, len(values) // WIDTH)
    points = " ".join(
        f"{i / n * WIDTH:.1f},{HEIGHT - 2 - (v - low) / span * (HEIGHT - 4):.1f}"
        for i, v in list(enumerate(values))[::step]
        if math.isfinite(v)
    )
    return (
        f"<div style='display:flex;gap:10px;align-items:center'>"
        f"<svg width='{WIDTH}' height='{HEIGHT}' viewBox='0 0 {WIDTH} {HEIGHT}' role='img' "
        f"aria-label='{escape(heading)}'>"
        f"<polyline points='{points}' fill='none' stroke='{color}' stroke-width='1.5'/></svg>"
        f"<span>{escape(heading)}<br><b>{finite[-1]:.3g}</b></span></div>"
    )
