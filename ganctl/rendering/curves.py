"""``curves.png``: the losses, and D's answers on reals and fakes, over the steps."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

from ganctl.system.files import write_atomically

LOSSES = {"d_loss": "D loss", "g_loss": "G loss"}
ANSWERS = {"D(x)": "D(x), reals", "D(G(z))": "D(G(z)), fakes"}


def draw(records: list[dict[str, Any]], path: Path, title: str) -> None:
    """Draw the records of ``losses.jsonl``; nothing is written while there are fewer than two."""
    if len(records) < 2:
        return
    # The object-oriented interface: pyplot would look for a display and change the notebook's state.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    figure.suptitle(title, fontsize=10)
    left, right = figure.subplots(1, 2)
    for axes, curves in ((left, LOSSES), (right, ANSWERS)):
        for name, label in curves.items():
            points = [(r["step"], r[name]) for r in records if math.isfinite(r.get(name, math.nan))]
            if points:
                axes.plot(*zip(*points, strict=True), label=label, linewidth=1)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(frameon=False)
    left.set_ylabel("loss")
    right.set_ylabel("D's answer")
    answers = [r[name] for r in records for name in ANSWERS if name in r]
    if all(0 <= value <= 1 for value in answers):
        right.set_ylabel("D's confidence that it is real")
        right.set_ylim(0, 1)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    write_atomically(path, buffer.getvalue())
