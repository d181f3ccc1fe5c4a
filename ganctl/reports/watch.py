"""A live view of a run in the terminal: curves, progress and the newest samples. It does not need torch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganctl.errors import DIVERGED, FAILED
from ganctl.rendering.column_titles import COLUMNS, LOSSES, title
from ganctl.reports.content import STATES
from ganctl.reports.settings import flatten, format_value
from ganctl.runs import read_run
from ganctl.runs.read_run import History
from ganctl.system.progress import clock
from ganctl.system.terminal import can_show_images

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.console import Console, RenderableType
    from rich.text import Text

    from ganctl.rendering.split_grid import Layout

BARS = "▁▂▃▄▅▆▇█"
MIN_IMAGE = 16  # pixels; smaller images would be unrecognizable
RECENT = 10  # number of lines over which the speed is averaged
COLORS = {"finished": "green", "running": "cyan", "waiting": "cyan", "stopped": "yellow"}


def follow(
    run: Path,
    *,
    seconds: float = 2.0,
    samples: bool = True,
    once: bool = False,
    console: Console | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> int:
    """Show a run until it ends. Ctrl-C closes the view but does not stop the run.

    Args:
        run: the run folder.
        seconds: interval between updates, in seconds.
        samples: show the newest samples if the terminal has enough colors.
        once: print one line and return.

    Returns:
        An exit status: 0, ``DIVERGED``, or ``FAILED`` if the run failed or was killed.

    Raises:
        GanctlError: ``run`` is not a run folder.
    """
    from rich.console import Console as Screen

    console = console or Screen(highlight=False)
    h = read_run.read(run)
    try:
        if console.is_terminal and not console.is_dumb_terminal and not once:
            h = _show_live(run, h, console, seconds, samples, pause)
        else:
            h = _print_lines(run, h, console, seconds, once, pause)
    except KeyboardInterrupt:
        return 0
    if h.note and not once:
        console.print(h.note, markup=False, soft_wrap=True)
    if once:
        return 0
    return {"diverged": DIVERGED, "failed": FAILED, "killed": FAILED}.get(h.state, 0)


def _show_live(
    run: Path,
    h: History,
    console: Console,
    seconds: float,
    samples: bool,
    pause: Callable[[float], None],
) -> History:
    from rich.live import Live

    with Live(view(h, console, samples), console=console, auto_refresh=False, transient=False) as live:
        live.refresh()
        while h.state in ("running", "waiting"):
            pause(seconds)
            h = read_run.read(run)
            live.update(view(h, console, samples), refresh=True)
    return h


def _print_lines(
    run: Path, h: History, console: Console, seconds: float, once: bool, pause: Callable[[float], None]
) -> History:
    previous = ""
    while True:
        line = status_line(h)
        if line != previous:
            console.print(line, markup=False, soft_wrap=True)
            previous = line
        if once or h.state not in ("running", "waiting"):
            return h
        pause(seconds)
        h = read_run.read(run)


def status_line(h: History) -> str:
    """Return the state of a run as one line, for output that is not a terminal."""
    last = h.losses[-1] if h.losses else {}
    left = seconds_left(h)
    minutes = h.status.minutes
    return "  ".join(
        [
            f"{h.name}: {STATES[h.state]}",
            f"step {h.step:,}" + (f" of {h.total:,}" if h.total else ""),
            *([f"{clock(h.seconds)} of {clock(60 * minutes)}"] if minutes else []),
            f"epoch {h.epoch:.2f}",
            *(f"{title(name)} {h.column(name)[-1]:.3f}" for name in COLUMNS if name in last),
            *([f"{clock(left)} left"] if left is not None else []),
        ]
    )


def view(h: History, console: Console, samples: bool) -> RenderableType:
    """Return the view of a run, which is no larger than the terminal."""
    from rich.console import Group
    from rich.text import Text

    width, height = console.size
    unicode = (console.encoding or "").lower().startswith("utf")
    parts: list[RenderableType] = [_heading(h), _progress(h, width, unicode)]
    if h.note:
        parts.append(Text(h.note, style="red", no_wrap=True, overflow="ellipsis"))
    parts += [
        _curve(name, h.column(name), width, unicode)
        for name in COLUMNS
        if any(map(math.isfinite, h.column(name)))
    ]
    rows = height - len(parts) - 3  # lines for the caption and the cursor
    if samples and unicode and can_show_images(console) and h.frames and rows >= MIN_IMAGE // 2:
        from ganctl.reports.samples_over_epochs import sample_layout

        frame = h.frames[-1]
        try:
            image = frame.open()
        except OSError:  # the file is still being written
            return Group(*parts)
        parts.append(Text(f"epoch {frame.epoch:g}, step {frame.step:,}", style="dim"))
        parts += half_blocks(image, sample_layout(h, image), width, rows)
    elif h.frames:
        parts.append(
            Text(f"newest samples: {h.frames[-1].path}", style="dim", no_wrap=True, overflow="ellipsis")
        )
    return Group(*parts)


def sparkline(values: Sequence[float], width: int) -> str:
    """Draw ``values`` with at most ``width`` characters. A gap means that no value is finite."""
    n = len(values)
    width = min(width, n)
    means = []
    for i in range(width):
        end = max((i + 1) * n // width, i * n // width + 1)
        finite = [v for v in values[i * n // width : end] if math.isfinite(v)]
        means.append(sum(finite) / len(finite) if finite else math.nan)
    finite = [v for v in means if math.isfinite(v)]
    if not finite:
        return " " * width
    low, span = min(finite), (max(finite) - min(finite)) or 1.0
    return "".join(
        BARS[min(int((v - low) / span * len(BARS)), len(BARS) - 1)] if math.isfinite(v) else " "
        for v in means
    )


def half_blocks(grid: Image, layout: Layout | None, columns: int, rows: int) -> list[Text]:
    """Draw the first images of ``grid`` as text. Each character shows two pixels, one above the other.

    The number of images is limited so that they are recognizable in ``columns`` × ``rows`` characters.
    """
    from PIL import Image
    from rich.text import Text

    from ganctl.rendering import split_grid

    if layout is None:
        image = grid.convert("RGB")
        image.thumbnail((columns, rows * 2), Image.Resampling.LANCZOS)
    else:
        images = split_grid.split(grid, layout)
        size = min(max(MIN_IMAGE, layout.height // 2), layout.height)
        cell = size + 1
        across = max(min(layout.columns, (columns + 1) // cell), 1)
        down = max(min(layout.rows, (rows * 2 + 1) // cell), 1)
        image = Image.new("RGB", (across * cell - 1, down * cell - 1))
        for r in range(down):
            for c in range(across):
                pixels = images[r, c]
                one = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
                image.paste(one.resize((size, size), Image.Resampling.LANCZOS), (c * cell, r * cell))
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
    """Estimate the seconds to the last step. Return None if the run is not running or its speed is unknown."""
    recent = h.timing[-RECENT:]
    if h.state != "running" or not recent:
        return None
    minutes = h.status.minutes
    limits = [max(0.0, 60 * minutes - h.seconds)] if minutes else []
    if not h.total:
        return min(limits, default=None)
    first = h.timing[-RECENT - 1] if len(h.timing) > RECENT else {"step": 0, "seconds": 0.0}
    steps, seconds = recent[-1]["step"] - first["step"], recent[-1]["seconds"] - first["seconds"]
    if steps > 0 and seconds > 0:
        limits.append(float(max(h.total - h.step, 0) * seconds / steps))
    return min(limits, default=None)


def _heading(h: History) -> Text:
    from rich.text import Text

    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(h.name, style="bold").append("  ")
    text.append(STATES[h.state], style=COLORS.get(h.state, "red"))
    settings = flatten(h.config)
    if settings.get("model") and settings.get("data"):
        device = f", {h.status.device}" if h.status.device else ""
        text.append(
            f"  {format_value(settings['model'])} on {format_value(settings['data'])}{device}", style="dim"
        )
    return text


def _curve(name: str, values: Sequence[float], width: int, unicode: bool) -> Text:
    from rich.text import Text

    row = Text(no_wrap=True, overflow="crop")
    row.append(f"{title(name):<8}", style="dim")
    if unicode:
        color = "cyan" if name in LOSSES else "magenta"
        row.append(sparkline(values, max(8, min(width - 34, 100))), style=color)
    finite = [v for v in values if math.isfinite(v)]
    row.append(f" {values[-1]:>8.3g}", style="bold")
    return row.append(f"  {min(finite):.3g} … {max(finite):.3g}", style="dim")


def _progress(h: History, width: int, unicode: bool) -> Text:
    from rich.text import Text

    text = Text(no_wrap=True, overflow="crop")
    left = seconds_left(h)
    rate = h.timing[-1]["images_per_second"] if h.timing else None
    minutes = h.status.minutes
    words = [
        f"step {h.step:,}" + (f" of {h.total:,}" if h.total else ""),
        *([f"{clock(h.seconds)} of {clock(60 * minutes)}"] if minutes else []),
        f"epoch {h.epoch:.2f}",
        *([f"{rate:,.0f} images/s"] if rate else []),
        *([f"{clock(left)} left"] if left is not None else [clock(h.seconds)] if h.seconds else []),
    ]
    numbers = "  ".join(words)
    room = width - len(numbers) - 2
    if h.share is not None and room >= 10:
        length = min(room, 40)
        done = round(length * h.share)
        text.append(("━" if unicode else "#") * done, style="green")
        text.append(("━" if unicode else ".") * (length - done), style="dim").append("  ")
    return text.append(numbers)
