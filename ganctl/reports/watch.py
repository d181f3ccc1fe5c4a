"""A run in the terminal while it trains: curves, progress, the newest sample. Free of torch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganctl.errors import DIVERGED, FAILED
from ganctl.runs import history
from ganctl.runs.history import History
from ganctl.system.progress import clock

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.console import Console, RenderableType
    from rich.text import Text

SHOWN = {"g_loss": "G loss", "d_loss": "D loss", "D(x)": "D(x)", "D(G(z))": "D(G(z))"}
BARS = "▁▂▃▄▅▆▇█"
TILE = 16  # pixels that a picture is shrunk to at least, so that there is something to see
RECENT = 10  # lines that the speed is taken from
WORDS = {
    "finished": "finished", "running": "running", "stopped": "stopped and saved", "diverged": "diverged",
    "failed": "failed", "killed": "broken off", "waiting": "not begun yet",
}  # fmt: skip
COLORS = {"finished": "green", "running": "cyan", "waiting": "cyan", "stopped": "yellow"}


def follow(
    run: Path,
    *,
    seconds: float = 2.0,
    pictures: bool = True,
    once: bool = False,
    console: Console | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> int:
    """Show ``run`` until it ends; Ctrl-C stops looking, not the run.

    Returns:
        An exit status: 0, ``DIVERGED``, or ``FAILED`` if the run failed or broke off.

    Raises:
        GanctlError: it is no run.
    """
    from rich.console import Console as Screen

    console = console or Screen(highlight=False)
    h = history.read(run)
    try:
        if console.is_terminal and not once:
            h = _live(run, h, console, seconds, pictures, pause)
        else:
            h = _lines(run, h, console, seconds, once, pause)
    except KeyboardInterrupt:
        return 0
    if h.note and not once:
        console.print(h.note, markup=False, soft_wrap=True)
    if once:
        return 0
    return {"diverged": DIVERGED, "failed": FAILED, "killed": FAILED}.get(h.state, 0)


def _live(
    run: Path,
    h: History,
    console: Console,
    seconds: float,
    pictures: bool,
    pause: Callable[[float], None],
) -> History:
    from rich.live import Live

    with Live(view(h, console, pictures), console=console, auto_refresh=False, transient=False) as live:
        live.refresh()
        while h.state in ("running", "waiting"):
            pause(seconds)
            h = history.read(run)
            live.update(view(h, console, pictures), refresh=True)
    return h


def _lines(
    run: Path, h: History, console: Console, seconds: float, once: bool, pause: Callable[[float], None]
) -> History:
    told = ""
    while True:
        line = line_of(h)
        if line != told:
            console.print(line, markup=False, soft_wrap=True)
            told = line
        if once or h.state not in ("running", "waiting"):
            return h
        pause(seconds)
        h = history.read(run)


def line_of(h: History) -> str:
    """The run in one line, for a pipe."""
    values = [f"{title} {h.column(name)[-1]:.3f}" for name, title in SHOWN.items() if name in _last(h)]
    left = seconds_left(h)
    return "  ".join(
        [
            f"{h.name}: {WORDS[h.state]}",
            f"step {h.step:,}" + (f" of {h.total:,}" if h.total else ""),
            f"epoch {h.epoch:.2f}",
            *values,
            *([f"{clock(left)} left"] if left is not None else []),
        ]
    )


def view(h: History, console: Console, pictures: bool) -> RenderableType:
    """The run as a terminal shows it, no larger than the terminal."""
    from rich.console import Group
    from rich.text import Text

    width, height = console.size
    fancy = (console.encoding or "").lower().startswith("utf")
    head = Text(no_wrap=True, overflow="ellipsis")
    head.append(h.name, style="bold").append("  ")
    head.append(WORDS[h.state], style=COLORS.get(h.state, "red"))
    if "data" in h.facts:
        head.append(f"  {h.config.get('model', '')} on {h.facts['data']}, {h.facts['device']}", style="dim")
    parts: list[RenderableType] = [head, _progress(h, width, fancy)]
    if h.note:
        parts.append(Text(h.note, style="red", no_wrap=True, overflow="ellipsis"))
    rows = 3 + bool(h.note)
    for name, title in SHOWN.items():
        values = h.column(name)
        if not any(math.isfinite(v) for v in values):
            continue
        row = Text(no_wrap=True, overflow="crop")
        row.append(f"{title:<8}", style="dim")
        if fancy:
            row.append(
                sparkline(values, max(8, min(width - 34, 100))), style="cyan" if "loss" in name else "magenta"
            )
        finite = [v for v in values if math.isfinite(v)]
        row.append(f" {values[-1]:>8.3g}", style="bold")
        row.append(f"  {min(finite):.3g} … {max(finite):.3g}", style="dim")
        parts.append(row)
        rows += 1
    if (
        pictures
        and fancy
        and console.color_system in ("truecolor", "256")
        and h.frames
        and height - rows >= TILE // 2 + 2
    ):
        frame = h.frames[-1]
        try:
            image = frame.open()
        except OSError:  # it is being written
            return Group(*parts)
        at = f"epoch {frame.epoch:g}, step {frame.step:,}"
        parts += [Text(at, style="dim"), *half_blocks(image, _samples(h), width, height - rows - 2)]
    elif h.frames:
        parts.append(
            Text(f"newest picture: {h.frames[-1].path}", style="dim", no_wrap=True, overflow="ellipsis")
        )
    return Group(*parts)


def sparkline(values: Sequence[float], width: int) -> str:
    """``values`` in ``width`` characters, from the least to the greatest; a gap where nothing is finite."""
    n = len(values)
    width = min(width, n)
    means = []
    for i in range(width):
        lot = [
            v
            for v in values[i * n // width : max((i + 1) * n // width, i * n // width + 1)]
            if math.isfinite(v)
        ]
        means.append(sum(lot) / len(lot) if lot else math.nan)
    finite = [v for v in means if math.isfinite(v)]
    if not finite:
        return " " * width
    low, span = min(finite), (max(finite) - min(finite)) or 1.0
    return "".join(
        BARS[min(int((v - low) / span * len(BARS)), len(BARS) - 1)] if math.isfinite(v) else " "
        for v in means
    )


def half_blocks(grid: Image, samples: int, columns: int, rows: int) -> list[Text]:
    """The first pictures of ``grid`` as text: each character is two pixels, one above the other.

    As many pictures as there is room for at a size at which something can be seen.
    """
    from PIL import Image
    from rich.text import Text

    from ganctl.rendering import grid_images

    layout = grid_images.layout(grid, samples)
    if layout is None:
        image = grid.convert("RGB")
        image.thumbnail((columns, rows * 2), Image.Resampling.LANCZOS)
    else:
        singles = grid_images.cut(grid, layout)
        size = min(max(TILE, layout.height // 2), layout.height)
        across, down = (
            min(layout.columns, (columns + 1) // (size + 1)),
            min(layout.rows, (rows * 2 + 1) // (size + 1)),
        )
        image = Image.new("RGB", (max(across, 1) * (size + 1) - 1, max(down, 1) * (size + 1) - 1))
        for r in range(down):
            for c in range(across):
                pixels = singles[r, c]
                one = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
                image.paste(
                    one.resize((size, size), Image.Resampling.LANCZOS), (c * (size + 1), r * (size + 1))
                )
    lines = []
    data: Any = image.load()
    for y in range(0, image.height, 2):
        line = Text(no_wrap=True)
        for x in range(image.width):
            above = "#{:02x}{:02x}{:02x}".format(*data[x, y])
            below = "#{:02x}{:02x}{:02x}".format(*(data[x, y + 1] if y + 1 < image.height else (0, 0, 0)))
            line.append("▀", style=f"{above} on {below}")
        lines.append(line)
    return lines


def seconds_left(h: History) -> float | None:
    """Until the last step, at the speed of the last lines; None if that is not known or it does not run."""
    recent = h.timing[-RECENT:]
    if h.state != "running" or not h.total or not recent:
        return None
    first = h.timing[-RECENT - 1] if len(h.timing) > RECENT else {"step": 0, "seconds": 0.0}
    steps, seconds = recent[-1]["step"] - first["step"], recent[-1]["seconds"] - first["seconds"]
    if steps <= 0 or seconds <= 0:
        return None
    return float(max(h.total - h.step, 0) * seconds / steps)


def _progress(h: History, width: int, fancy: bool) -> Text:
    from rich.text import Text

    text = Text(no_wrap=True, overflow="crop")
    left = seconds_left(h)
    rate = h.timing[-1]["images_per_second"] if h.timing else None
    words = [
        f"step {h.step:,}" + (f" of {h.total:,}" if h.total else ""),
        f"epoch {h.epoch:.2f}",
        *([f"{rate:,.0f} images/s"] if rate else []),
        *([f"{clock(left)} left"] if left is not None else [f"{clock(h.seconds)}"] if h.seconds else []),
    ]
    tail = "  ".join(words)
    room = width - len(tail) - 2
    if h.total and room >= 10:
        full = min(room, 40)
        done = round(full * min(h.step / h.total, 1.0))
        text.append(("━" if fancy else "#") * done, style="green").append(
            ("━" if fancy else ".") * (full - done), style="dim"
        )
        text.append("  ")
    return text.append(tail)


def _samples(h: History) -> int:
    samples = h.config.get("samples")
    return samples if isinstance(samples, int) else 64


def _last(h: History) -> dict[str, Any]:
    return h.losses[-1] if h.losses else {}
