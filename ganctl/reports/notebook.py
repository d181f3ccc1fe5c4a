"""A run as a notebook shows it: how far it came, its newest sample, its curves, what stands out."""

from __future__ import annotations

import base64
import math
from html import escape
from typing import TYPE_CHECKING

from ganctl.reports import findings, frames
from ganctl.system.progress import clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganctl.runs.history import History

WIDTH, HEIGHT = 260, 64
#: Colors that are seen on white and on black, as a notebook may be either.
CURVES = {"g_loss": ("G loss", "#4f7fe8"), "d_loss": ("D loss", "#d9604c"), "D(x)": ("D(x)", "#2fa36f"),
          "D(G(z))": ("D(G(z))", "#b07ce0")}  # fmt: skip


def card(h: History) -> str:
    """HTML without scripts."""
    made = frames.make([h], megabytes=1.0).films[0]
    words = [
        h.state if h.state != "killed" else "broken off",
        f"step {h.step:,}" + (f" of {h.total:,}" if h.total and h.total != h.step else ""),
        f"epoch {h.epoch:.4g}",
        *([clock(h.seconds)] if h.seconds else []),
        *([f"{h.images_per_second:,.0f} images/s"] if h.images_per_second else []),
    ]
    parts = [f"<b>{escape(h.name)}</b><br><span style='opacity:.75'>{escape(' · '.join(words))}</span>"]
    pictures = []
    if h.frames:
        pictures.append(_picture(h, f"epoch {round(h.frames[-1].epoch, 2):g}"))
    if made.real:
        pictures.append(_figure(_uri(made.real), "Real pictures", "reals"))
    curves = "".join(_curve(title, color, h.column(name)) for name, (title, color) in CURVES.items())
    pictures.append(f"<div>{curves}</div>")
    parts.append(f"<div style='display:flex;flex-wrap:wrap;gap:16px;margin:8px 0'>{''.join(pictures)}</div>")
    parts += [f"<div>{escape(f.text)}</div>" for f in findings.of(h, made) if f.level in ("bad", "warn")]
    return (
        f"<div style='font-family:system-ui,sans-serif;font-size:13px;line-height:1.5'>{''.join(parts)}</div>"
    )


def _picture(h: History, caption: str) -> str:
    try:
        image = h.frames[-1].open()
    except OSError:
        return ""
    return _figure(
        _uri(frames.encode(frames.crop(image, None, None))), f"Pictures drawn by {h.name}", caption
    )


def _figure(uri: str, alt: str, caption: str) -> str:
    return (
        f"<figure style='margin:0'><img src='{uri}' alt='{escape(alt, quote=True)}' "
        f"style='width:260px;image-rendering:pixelated;border-radius:4px'>"
        f"<figcaption style='opacity:.75'>{escape(caption)}</figcaption></figure>"
    )


def _uri(data: bytes) -> str:
    kind = "webp" if data[8:12] == b"WEBP" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _curve(title: str, color: str, values: Sequence[float]) -> str:
    """A small chart with its last value; nothing if there is nothing to draw."""
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
        f"aria-label='{escape(title)}'>"
        f"<polyline points='{points}' fill='none' stroke='{color}' stroke-width='1.5'/></svg>"
        f"<span>{escape(title)}<br><b>{finite[-1]:.3g}</b></span></div>"
    )
